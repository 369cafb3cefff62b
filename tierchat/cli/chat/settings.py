"""The chat commands that show or change a setting: text in, text out.

Does not know terminals or the daemon.
"""

from __future__ import annotations

import msgspec

from tierchat.cli.ask.sampling_options import parse_quality, parse_sampling, parse_wait
from tierchat.cli.chat.session import ChatSession
from tierchat.config.catalogue import Catalogue
from tierchat.errors import UsageError, did_you_mean
from tierchat.types import Sampling

_SWITCH = {"on": True, "off": False, "auto": None}
THINKING = (*_SWITCH, "show", "hide")


def tier(session: ChatSession, rest: str) -> str:
    """Ask only one tier, or all again with `free`; raises UsageError for an unknown tier."""
    if rest:
        names = {name.casefold(): name for name in session.tiers}
        if rest.casefold() not in (*names, "free"):
            known = f"known: {', '.join(session.tiers)}, free"
            raise UsageError(
                f"no tier named {rest!r}", did_you_mean(rest, (*session.tiers, "free"), known)
            )
        wanted = names.get(rest.casefold())
        session.options = msgspec.structs.replace(session.options, tier=wanted)
    now = session.options.tier
    return f"only {now} is asked" if now else f"free: {' → '.join(session.tiers)}"


def cascade(session: ChatSession, catalogue: Catalogue, rest: str) -> str:
    """Change the cascade; limits on tiers of the previous cascade are dropped."""
    if rest:
        spec = catalogue.find(rest)
        session.cascade = rest
        session.tiers = tuple(found.name for found in spec.tiers)
        session.options = msgspec.structs.replace(
            session.options, tier=None, min_tier=None, max_tier=None
        )
    return f"{session.cascade}: {' → '.join(session.tiers)}"


def system(session: ChatSession, rest: str) -> str:
    """Set the system prompt; `-` removes it."""
    if rest:
        session.system = "" if rest == "-" else rest
    return f"system: {session.system or '(none)'}"


def sampling(session: ChatSession, rest: str) -> list[str]:
    """Set a sampling option, the quality or the wait; raises UsageError with the nearest name."""
    if rest:
        key, _, value = rest.replace("=", " ", 1).partition(" ")
        value, is_open = value.strip(), value.strip() == "default"
        if key == "quality":
            quality = None if is_open else parse_quality(value)
            session.options = msgspec.structs.replace(session.options, quality=quality)
        elif key == "max_wait":
            wait_s = None if is_open else parse_wait(value)
            session.options = msgspec.structs.replace(session.options, max_wait_s=wait_s)
        else:
            pair = f"{key}={value}" if value else key
            session.sampling = _parsed(pair, session.sampling)
    known = session.sampling.given()
    if session.options.quality is not None:
        known["quality"] = session.options.quality
    if session.options.max_wait_s is not None:
        known["max_wait"] = f"{session.options.max_wait_s:g}s"
    found = [f"{name} = {value}" for name, value in known.items()]
    return found or ["no option is set: every tier uses its own"]


def _parsed(pair: str, default: Sampling) -> Sampling:
    try:
        return parse_sampling([pair], None, default)
    except UsageError as error:
        # The hints are those of the command line.
        error.hint = error.hint.replace("-o ", "/set ").replace(
            "see tierchat ask --help", "/set shows what is set, /set KEY VALUE changes it"
        )
        raise


def think(session: ChatSession, rest: str) -> str:
    """Switch thinking on, off or to the tiers' own choice, and show or hide thoughts."""
    if rest in _SWITCH:
        session.think = _SWITCH[rest]
    elif rest in THINKING:
        session.shows_thoughts = rest == "show"
    elif rest:
        known = f"known: {', '.join(THINKING)}"
        raise UsageError(f"/think does not take {rest!r}", did_you_mean(rest, THINKING, known))
    word = {value: name for name, value in _SWITCH.items()}[session.think]
    return f"thinking: {word}; thoughts are {'shown' if session.shows_thoughts else 'hidden'}"


def overview(session: ChatSession, catalogue: Catalogue) -> list[str]:
    """List all settings."""
    saved = session.conversation if session.is_saved else "not saved"
    num = len(session.turns)
    return [
        f"conversation: {saved}, {num} exchange{'s' * (num != 1)}",
        cascade(session, catalogue, ""),
        tier(session, ""),
        system(session, ""),
        think(session, ""),
        *sampling(session, ""),
    ]
