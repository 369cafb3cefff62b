"""The tool `clock`: what time it is, here or elsewhere."""

from __future__ import annotations

import datetime
import zoneinfo

from tierchat.tools.failure import ToolFailed


def clock(zone: str = "") -> str:
    """Tell the current date, weekday, time and time zone.

    Args:
        zone: a time zone such as Europe/Berlin; left out, that of this computer
    """
    return time_text(datetime.datetime.now(datetime.UTC), zone)


def time_text(now: datetime.datetime, zone: str) -> str:
    """Say a time in a zone; raises ToolFailed for a zone that is not known."""
    if not zone:
        there = now.astimezone()
    else:
        try:
            there = now.astimezone(zoneinfo.ZoneInfo(zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ToolFailed(
                f"the time zone {zone[:80]!r} is not known; write it as in Europe/Berlin"
            ) from error
    return there.strftime("%A, %Y-%m-%d, %H:%M:%S %Z (UTC%z)")
