"""The tools that an agent gets, `ask` and `models`: runs a call, returns its result in words.

Does not know the protocol.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tierchat.cli.actions.mcp.arguments import (
    AskArguments,
    ModelsArguments,
    read_arguments,
    schema_of,
)
from tierchat.cli.server import client_of, server_of
from tierchat.config.home import Home
from tierchat.errors import DaemonUnreachable, TierchatError, UsageError, did_you_mean
from tierchat.events import CascadeEvent, Done, Hop, Loading, Notice, Starting, Working
from tierchat.outcomes import Outcome
from tierchat.service.client import Client
from tierchat.service.remote.client import RemoteClient
from tierchat.terminal.tier_line import hop_line, tier_line, working_line
from tierchat.types import Frozen


@dataclass(frozen=True)
class Tool:
    """A tool as a model reads about it."""

    name: str
    title: str
    description: str
    arguments: type[Frozen]

    @property
    def schema(self) -> dict[str, Any]:
        return schema_of(self.arguments)


TOOLS = (
    Tool(
        "ask",
        "Ask local models",
        "Ask a nest of language models that run on the user's own hardware. The smallest model "
        "that can answer does; harder prompts go up to larger ones by themselves. Cheap and "
        "private, for short self-contained work: a summary, a classification, a rewording, a "
        "small function, a second opinion. Every call is a conversation of its own: nothing of "
        "earlier calls is known. Returns the answer, and a line that says which tier answered.",
        AskArguments,
    ),
    Tool(
        "models",
        "List local models",
        "List the cascades and tiers that `ask` can be sent to, the smallest tier first.",
        ModelsArguments,
    ),
)


@dataclass(frozen=True)
class Result:
    """What a call returns: texts for the model, and the same as values where there are any."""

    texts: tuple[str, ...]
    facts: dict[str, Any] | None = None
    is_error: bool = False


@dataclass(frozen=True)
class Call:
    """How a call is followed: `on_news` gets signs of life, `is_cancelled` is asked after each."""

    on_news: Callable[[str], None]
    is_cancelled: Callable[[], bool]


@dataclass(frozen=True)
class Nest:
    """Whom the tools ask: the daemon of this home, or a tierchat elsewhere.

    A program that lives as long as an editor reads the settings again with every call.
    """

    home: Home
    server: str | None = None
    cascade: str | None = None
    _tools: dict[str, Tool] = field(default_factory=lambda: {tool.name: tool for tool in TOOLS})

    def run(self, name: str, given: Mapping[str, Any], call: Call) -> Result:
        """Run a tool to its end; an error that was foreseen is a result that says so."""
        try:
            if name not in self._tools:
                known = tuple(self._tools)
                raise UsageError(
                    f"no tool named {name!r}",
                    did_you_mean(name, known, f"known: {', '.join(known)}"),
                )
            arguments = read_arguments(given, self._tools[name].arguments)
            home = self.home.reread()
            if isinstance(arguments, AskArguments):
                return self._ask(home, arguments, call)
            return _models(client_of(home, self.server))
        except TierchatError as error:
            said = f"{error.message}\nhint: {error.hint}" if error.hint else error.message
            return Result((said,), is_error=True)

    def _ask(self, home: Home, arguments: AskArguments, call: Call) -> Result:
        # A server has cascades, and a default, of its own.
        is_elsewhere = bool(server_of(home, self.server))
        default = self.cascade or (None if is_elsewhere else home.settings.cascade)
        prompt = arguments.prompt_to(home.settings, default)
        outcome: Outcome | None = None
        events = client_of(home, self.server).ask(prompt)
        assert isinstance(events, Generator)
        # Closing the stream is what cancels the work.
        with contextlib.closing(events):
            for event in events:
                if call.is_cancelled():
                    return Result(("the call was cancelled",), is_error=True)
                if isinstance(event, Done):
                    outcome = event.outcome
                elif news := _news(event):
                    call.on_news(news)
        if outcome is None:
            raise DaemonUnreachable("the daemon ended the answer without an outcome", "ask again")
        return _result(outcome)


def _news(event: CascadeEvent) -> str:
    match event:
        case Loading(tier=tier, model=model):
            return f"{tier}: loading {model}"
        case Starting(tier=tier):
            return f"{tier} begins"
        case Working():
            return working_line(event)
        case Hop(visit=visit, target=target):
            return hop_line(visit, target)
        case Notice(text=text):
            return text
    return ""


def _result(outcome: Outcome) -> Result:
    line = tier_line(outcome)
    is_empty = outcome.finish_reason == "stop" and not outcome.answer.strip()
    if outcome.finish_reason in ("unanswered", "misfit") or is_empty:
        return Result((*(outcome.notices or ("no tier could answer",)), line), is_error=True)
    notes = list(outcome.notices)
    if outcome.finish_reason in ("length", "interrupted"):
        notes.append(f"the answer is incomplete: it ended by {outcome.finish_reason}")
    if outcome.is_below_asked:
        notes.append("a lower tier answered than was asked for")
    facts = {
        "answer": outcome.answer,
        "tier": outcome.tier,
        "model": outcome.model,
        "finish_reason": outcome.finish_reason,
        "ledger": line,
        "notices": notes,
    }
    return Result((outcome.answer, "\n".join([*notes, line])), facts)


def _models(client: Client | RemoteClient) -> Result:
    status, names = client.start(), client.models()
    tiers = {
        cascade: [tier for tier in own if f"{cascade}/{tier}" in names]
        for cascade, own in status.cascades.items()
    }
    here = {cascade: own for cascade, own in tiers.items() if own}
    lines = [
        f"{cascade}: {', '.join(own)}{' (the default)' * (cascade == status.default_cascade)}"
        for cascade, own in here.items()
    ]
    if not lines:
        raise UsageError("no cascade can be asked: no model is here", "run: tierchat pull")
    return Result(("\n".join(lines),), {"default": status.default_cascade, "cascades": here})
