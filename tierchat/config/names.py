"""Which names models, cascades and tiers may have: those that every command and the API can say.

Does not know which names are taken.
"""

from __future__ import annotations

import re

# The API's `model` for whatever cascade is the default.
DEFAULT_MODEL = "tierchat"
# `/tier free` of the chat lifts the limit to one tier.
ALL_TIERS = "free"
_MAX_CHARS = 64
# A name becomes a file name, with an ending.
_MAX_BYTES = 200
_PLAIN = re.compile(r"[^\W_][\w.+-]*")


def refusal_of_new(name: str) -> str:
    """Return why `add` does not give a model this name; empty if it may.

    Stricter than `refusal`: such names need no quotes in a shell or in models.toml.
    """
    if not _PLAIN.fullmatch(name) and not refusal(name):
        return "use letters, digits, dots and dashes, and begin with a letter or digit"
    return refusal(name)


def refusal(name: str) -> str:
    """Return why a model or a cascade cannot have this name; empty if it can."""
    if name.casefold() == DEFAULT_MODEL:
        return f"{DEFAULT_MODEL!r} is what the API calls the default cascade"
    if not name:
        return "a name has at least one character"
    if len(name) > _MAX_CHARS or len(name.encode(errors="replace")) > _MAX_BYTES:
        return f"a name has at most {_MAX_CHARS} characters"
    if "/" in name:
        return "a slash separates a cascade from its tier in the API, and a repo from its owner"
    if name.startswith("-"):
        return "a name that begins with a dash would be an option"
    if name.startswith("."):
        return "a name does not begin with a dot"
    if name != name.strip() or not name.isprintable():
        return "a name has no control characters, and no space at its ends"
    return ""


def name_for(file_name: str) -> str:
    """Make a name out of that of a file, without its ending and what a name may not have."""
    stem = re.sub(r"\.gguf$", "", file_name, flags=re.IGNORECASE).casefold()
    return re.sub(r"[^\w.+-]+", "-", stem).strip("-._+")[:_MAX_CHARS] or "model"
