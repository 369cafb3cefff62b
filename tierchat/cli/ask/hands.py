"""The tools of one command: what was typed after -T, and the process that they run in.

Without tools it costs nothing: no file of the room `tools` is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tierchat.cli.ask.options import AskRequest
from tierchat.cli.ask.person import PersonAtTerminal
from tierchat.cli.ask.printer import AsksDaemon
from tierchat.config.home import Home
from tierchat.errors import UsageError
from tierchat.terminal.output import Output

if TYPE_CHECKING:
    from tierchat.tools.apart.process import ToolProcess
    from tierchat.tools.approvals import AsksPerson
    from tierchat.tools.loop import ToolLoop
    from tierchat.tools.toolbox import Toolbox


class Hands:
    """The tools that the answers of a command may use; `words` are names as typed after -T."""

    def __init__(self, words: Sequence[str], home: Home, person: AsksPerson, *, is_saved: bool):
        """Raises UsageError for a tool that is not known or not installed.

        The words of calls are logged if the conversation `is_saved`.
        """
        self._home = home
        self._toolbox: Toolbox | None = None
        self._process: ToolProcess | None = None
        if not words:
            return
        from tierchat.tools.approvals import Approvals
        from tierchat.tools.builtin import ToolNames, add_builtin
        from tierchat.tools.call_log import CallLog
        from tierchat.tools.toolbox import Toolbox

        log = CallLog(home.paths, has_words=is_saved)
        toolbox = Toolbox(allows=Approvals(home.paths, person, log))
        self._process = add_builtin(toolbox, ToolNames(words, Path.cwd()))
        self._toolbox = toolbox

    def loop(
        self, asks: AsksDaemon, cascade: str, output: Output, *, is_held: bool
    ) -> ToolLoop | None:
        """Return who answers prompts of a cascade with these tools; None without tools.

        Models that know one field, as the bundled ones do, would decline whatever comes with a
        description of tools: they are asked without, and that is told. Text that is not shown as
        it grows `is_held`.
        """
        if self._toolbox is None:
            return None
        # Only now: a warm `ask` without tools reads no catalogue.
        spec = self._home.catalogue.cascades.get(cascade)
        if spec and spec.knows:
            output.note("these models call no tools; they are asked without", "yellow")
            return None
        from tierchat.tools.loop import ToolLoop

        tiers = [tier.name for tier in spec.tiers] if spec else []
        return ToolLoop(asks, self._toolbox, tiers, is_held=is_held)

    def close(self) -> None:
        """End what runs for the tools."""
        if self._process is not None:
            self._process.close()

    def __enter__(self) -> Hands:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def hands_for(request: AskRequest, home: Home, output: Output) -> Hands:
    """Return the tools of `tierchat ask`; raises UsageError."""
    words = request.tool or []
    beside = {"--raw": request.raw, "--schema": request.schema}
    for option, value in beside.items():
        if words and value:
            raise UsageError(f"-T and {option} do not go together", f"leave -T or {option} out")
    is_saved = home.settings.log and not request.no_log
    return Hands(words, home, PersonAtTerminal(output), is_saved=is_saved)
