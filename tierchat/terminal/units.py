"""Amounts as people read them: bytes, seconds and shares.

Memory counts in powers of 1024, disks and downloads in powers of 1000. Does not know streams.
"""

from __future__ import annotations

_DISK = ("bytes", "kB", "MB", "GB", "TB")
_MEMORY = ("bytes", "KiB", "MiB", "GiB", "TiB")


def size_text(num_bytes: float) -> str:
    """Write a size on a disk or a hub: 639 MB."""
    return _written(num_bytes, 1000, _DISK)


def memory_text(num_bytes: float | None) -> str:
    """Write an amount of memory: 610 MiB; a dash for an unknown amount."""
    return "-" if num_bytes is None else _written(num_bytes, 1024, _MEMORY)


def _written(num_bytes: float, base: int, units: tuple[str, ...]) -> str:
    amount, unit = float(num_bytes), 0
    while abs(amount) >= base and unit < len(units) - 1:
        amount, unit = amount / base, unit + 1
    digits = 1 if unit and amount < 10 else 0
    return f"{amount:.{digits}f} {units[unit]}"


def seconds(value: float) -> str:
    """Write a duration with two significant digits: 3 ms, 0.08 s, 0.6 s, 12 s."""
    if value < 0.01:
        return f"{value * 1000:.0f} ms" if value >= 0.001 else "<1 ms"
    if value < 0.1:
        return f"{value:.2f} s"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def duration_text(value: float) -> str:
    """Write how long something will take: 16 s, 94 s, 5 min, 1.2 h."""
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def percent(share: float) -> str:
    percent = 100 * share
    if percent >= 99.5 or percent == 0:
        return f"{percent:.1f} %" if percent < 100 and percent else f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"
