"""A real daemon process whose answers come from a script: `words` words, `delay_s` apart.

    python scripted_daemon.py [WORDS [DELAY_S [SIZE]]]

The prompt "boom" raises a bug and "refuse" an error, "refuse above" after a hop and "refuse late"
after a word; "end" ends without an outcome; "odd" says the name of a file that is not UTF-8;
"say FILE" is answered with the text of a
file, a few characters at a time. "call NAME ARGUMENTS" calls a tool, behind a word; what it finds
is the answer. What asks for JSON gets the text behind "command: ", and "says NAME" for all else.
Every word is SIZE characters long.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from tierchat.cascade.ledger import Ledger
from tierchat.config.settings import Settings, load_settings
from tierchat.errors import ContextTooLong, ModelMissing
from tierchat.events import (
    AnswerDelta,
    CascadeEvent,
    Done,
    Hop,
    Loading,
    Notice,
    ToolCallDelta,
)
from tierchat.outcomes import Usage, Visit
from tierchat.paths import Paths, find_paths
from tierchat.service.daemon import run_daemon
from tierchat.service.http.limits import Limits
from tierchat.service.messages import HealthReport, LoadReport, ServedModel
from tierchat.service.protocols import Texts
from tierchat.types import Prompt
from tierchat.workers.lending import Models
from tierchat.workers.status import WorkerStatus

# The bound of tests on what happens at once while a script of 20 s runs, such as 1000 words 0.02 s
# apart; a status request on a busy machine stays below it.
AT_ONCE_S = 2


class Script:
    """Answers every prompt with the script; counts answers that were cancelled."""

    def __init__(self, words: int, delay_s: float, size: int) -> None:
        self._words, self._delay_s, self._size = words, delay_s, size
        self.num_cancelled = 0

    async def answer(self, prompt: Prompt) -> AsyncGenerator[CascadeEvent, None]:
        text = prompt.messages[-1].content
        if text == "boom":
            raise ZeroDivisionError("a bug")
        if text == "refuse above":
            yield Loading(tier="XS", model="script")
            yield Hop(visit=Visit(tier="XS", model="script", reason="too long"), target="S")
        if text == "refuse late":
            yield AnswerDelta(text="well ")
        if text.startswith("refuse"):
            raise ContextTooLong("too long", "shorten it", 9)
        if text == "end":
            return
        if text == "odd":
            yield Notice(text="no file \udcff.gguf")
            raise ModelMissing("no file \udcff.gguf")
        said, is_over = "", False
        try:
            if text.startswith("call "):
                _, name, arguments = text.split(" ", 2)
                yield AnswerDelta(text="Let me see.", model="script", tier="XS")
                yield ToolCallDelta(index=0, tier="XS", id="call_1", name=name)
                yield ToolCallDelta(index=0, tier="XS", arguments=arguments)
            is_result = prompt.messages[-1].role == "tool"
            pieces = [text] if is_result else self._pieces(text)
            if schema := prompt.sampling.json_schema:
                pieces = [_filled(schema, text)]
            for word in pieces:
                said += word
                yield AnswerDelta(text=word, model="script", tier="XS")
                await asyncio.sleep(self._delay_s)
            ledger = Ledger(lambda _tier: 1.0, "XS")
            usage = Usage(prompt_tokens=3, generated_tokens=self._words, seconds=0.1)
            ledger.add("XS", "script", "stop", usage, is_answer=True)
            is_over = True
            reason = "tool_calls" if text.startswith("call ") else "stop"
            yield Done(outcome=ledger.close(said, "", reason, 0.1))
        finally:
            self.num_cancelled += not is_over

    def _pieces(self, text: str) -> list[str]:
        if text.startswith("call "):
            return []
        if text.startswith("say "):
            whole = Path(text[4:]).read_text()
            return [whole[at : at + 7] for at in range(0, len(whole), 7)]
        return [f"{number} ".rjust(self._size, "x") for number in range(self._words)]

    def cascades(self) -> dict[str, tuple[str, ...]]:
        return {"script": ("XS",)}

    @property
    def default(self) -> str:
        return "pocket"

    def served(self) -> tuple[ServedModel, ...]:
        return tuple(ServedModel(id=name, created=7) for name in ("tierchat", "script/XS"))

    @property
    def claude_tiers(self) -> str:
        return ""

    @property
    def keeps_conversations(self) -> bool:
        return True

    @property
    def texts(self) -> Texts:
        return None  # type: ignore[return-value]

    def titler(self, _cascade: str) -> str | None:
        return None

    def status_of_workers(self) -> tuple[WorkerStatus, ...]:
        # The number of cancelled answers travels where a test can see it.
        return (
            WorkerStatus(model="script", tiers=(), state="ready", num_crashes=self.num_cancelled),
        )

    async def say_a_word(self, *, loads: bool) -> HealthReport:
        return HealthReport(status="ok", has_generated=True, tier="XS", model="script")

    async def load(self, _name: str) -> tuple[LoadReport, ...]:
        return ()

    async def unload(self, _name: str) -> tuple[LoadReport, ...]:
        return ()

    async def reload(self) -> None:
        return

    async def preload(self) -> None:
        return

    def lend(self, _cascade: str) -> Models:
        raise AssertionError("nothing here can be taught")

    def teachable(self) -> dict[str, float]:
        return {}

    async def close(self) -> None:
        return


def _filled(schema: str, text: str) -> str:
    """Answer with an object that fits."""
    names = msgspec.json.decode(schema)["properties"]
    wanted = text.partition("command: ")[2].partition("\n")[0]
    found = {name: wanted if name == "command" else f"says {name}" for name in names}
    return msgspec.json.encode(found).decode()


def build(_paths: Paths, _settings: Settings) -> Script:
    given = [float(value) for value in sys.argv[1:]]
    words, delay_s, size = given + [5, 0.0, 0][len(given) :]
    return Script(int(words), delay_s, int(size))


def main() -> int:
    """Run the daemon of the home that the environment names, with the script of the arguments."""
    paths = find_paths(os.environ)
    limits = Limits(
        max_body_bytes=100_000,
        max_connections=8,
        idle_s=2.0,
        head_s=1.0,
        body_s=1.0,
        stall_s=1.0,
        keep_alive_s=0.5,
    )
    return run_daemon(paths, load_settings(paths, os.environ), build, limits)


if __name__ == "__main__":
    sys.exit(main())
