"""Values as TOML writes them, for files that are written and for people who are shown values.

Does not know what the values mean.
"""

from __future__ import annotations

import json
import re
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(value: Any) -> str:
    """Write a value in one line; `None`, which TOML does not have, is `none`."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            # A DEL is the one character that JSON leaves as it is and TOML does not allow.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            pairs = ", ".join(f"{toml_key(key)} = {toml_text(each)}" for key, each in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list() | tuple():
            return f"[{', '.join(toml_text(each) for each in value)}]"
        case _:
            return str(value)


def toml_key(key: str) -> str:
    """Write a key, in quotes where it needs them."""
    return key if _BARE_KEY.fullmatch(key) else toml_text(key)
