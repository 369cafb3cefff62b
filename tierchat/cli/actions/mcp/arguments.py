"""The arguments of the MCP tools: what may be given, in words for a model, and the checks.

Does not know the protocol or the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from tierchat.cli.ask.sampling_options import parse_quality
from tierchat.config.expected import known_names, place_and_message, wrong
from tierchat.config.settings import Settings
from tierchat.errors import UsageError, did_you_mean
from tierchat.types import Frozen, Message, Prompt, TierOptions

_Name = Annotated[str, msgspec.Meta(max_length=64)]
_Arguments = TypeVar("_Arguments", bound=Frozen)


def _about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class AskArguments(Frozen, frozen=True):
    """The arguments of the tool `ask`; an empty text leaves a choice to the nest."""

    prompt: Annotated[str, msgspec.Meta(min_length=1), _about("What to ask, complete in itself.")]
    system: Annotated[str, _about("Instructions that stand above the prompt.")] = ""
    cascade: Annotated[_Name, _about("The cascade to ask; `models` lists them.")] = ""
    tier: Annotated[_Name, _about("Ask only this tier; no other answers.")] = ""
    min_tier: Annotated[
        _Name, _about("The lowest tier that may answer, where an answer was not good enough.")
    ] = ""
    quality: Annotated[
        str | float,
        _about("frugal, balanced, best, or the share from 0 to 1 of the top tier's right answers."),
    ] = ""

    def prompt_to(self, settings: Settings, cascade: str | None) -> Prompt:
        """Make the prompt; `cascade` is asked where the arguments name none. Raises UsageError."""
        system = (Message(role="system", content=self.system),) if self.system else ()
        return Prompt(
            messages=(*system, Message(role="user", content=self.prompt)),
            options=TierOptions(
                cascade=self.cascade or cascade,
                tier=self.tier or None,
                min_tier=self.min_tier or None,
                quality=None if self.quality == "" else parse_quality(str(self.quality)),
                # Nobody sees the answer grow, so that the gate may judge all of it.
                hold="answer",
                # Signs of life are what a client shows, and where a cancelled call ends.
                progress=True,
                timeout_s=settings.timeout_s,
            ),
        )


class ModelsArguments(Frozen, frozen=True):
    """The tool `models` takes no arguments."""


def schema_of(kind: type[Frozen]) -> dict[str, Any]:
    """Describe the arguments as JSON schema."""
    _, parts = msgspec.json.schema_components([kind])
    found = dict(parts[kind.__name__])
    found.pop("title", None)
    found.pop("description", None)
    return found


def read_arguments(given: Mapping[str, Any], kind: type[_Arguments]) -> _Arguments:
    """Check the arguments of a call; raises UsageError naming the argument and the fault."""
    try:
        return msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        unknown, known = known_names(error, kind)
        if unknown:
            listed = f"known: {', '.join(known)}" if known else "this tool takes no arguments"
            raise UsageError(
                f"no argument named {unknown!r}", did_you_mean(unknown, known, listed)
            ) from error
        place, _ = place_and_message(error)
        said = f"{place}: {wrong(error, kind)}" if place else wrong(error, kind)
        raise UsageError(said, "the description of the tool names its arguments") from error
