"""How many parameters of a model compute for each token, known before the model runs.

Does not know cascades or what a ledger does with the number.
"""

from __future__ import annotations

from pathlib import Path

from tierchat.config.catalogue import ModelSpec
from tierchat.errors import TierchatError
from tierchat.models.gguf.header import CheckedHeaders

# Five bits, the mean of common 4-bit formats with their scales.
_BYTES_PER_PARAMETER = 0.63


class ActiveParameters:
    """The catalogue's numbers, else those of GGUF headers. Any thread may ask."""

    def __init__(self, headers: CheckedHeaders | None = None) -> None:
        self._headers = headers or CheckedHeaders()

    def given(self, spec: ModelSpec) -> int:
        """Return the number that the catalogue gives, or 0."""
        return spec.active_parameters or spec.parameters

    def find(self, spec: ModelSpec) -> int:
        """Return the number of the catalogue or the file's header, else an estimate, at least 1.

        Reads the file: a large vocabulary takes a while.
        """
        if given := self.given(spec):
            return given
        try:
            return self._headers.check(Path(spec.file)).num_active_parameters
        except TierchatError:
            # The file is not here, or not sound.
            return max(1, int(spec.bytes / _BYTES_PER_PARAMETER))
