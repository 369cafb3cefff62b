"""Whether this machine runs on its battery, where Linux says so. Knows nothing else."""

from __future__ import annotations

from pathlib import Path

_SUPPLIES = Path("/sys/class/power_supply")


def is_on_battery(supplies: Path = _SUPPLIES) -> bool:
    """Whether a battery of this machine is being emptied; False where that is not known."""
    try:
        found = list(supplies.iterdir())
    except OSError:
        return False
    # The battery of a mouse says `Device`.
    return any(
        _read(supply / "type") == "Battery"
        and _read(supply / "scope") != "Device"
        and _read(supply / "status") == "Discharging"
        for supply in found
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
