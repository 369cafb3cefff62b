"""`-o KEY VALUE` rewritten as `-o KEY=VALUE`, the only form that typer can repeat.

Does not know which keys exist.
"""

from __future__ import annotations


def merge_pairs(arguments: list[str]) -> list[str]:
    """Join the key and value after every `-o`, up to a `--`."""
    merged: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        merged.append(argument)
        if argument == "--":
            # Everything after `--` is the prompt.
            return [*merged, *rest]
        if argument in ("-o", "--option"):
            pair = [key for key in (next(rest, None),) if key is not None]
            if pair and "=" not in pair[0]:
                pair += [value for value in (next(rest, None),) if value is not None]
            merged += ["=".join(pair)] if pair else []
    return merged
