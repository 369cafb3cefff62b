"""`-o KEY VALUE` as other tools write it, for a parser that knows only `-o KEY=VALUE`."""

from __future__ import annotations


def merge_pairs(arguments: list[str]) -> list[str]:
    """Let `-o KEY VALUE` be written as other tools have it, which typer cannot repeat."""
    merged: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        merged.append(argument)
        if argument == "--":
            # From here on everything is the prompt.
            return [*merged, *rest]
        if argument in ("-o", "--option"):
            pair = [key for key in (next(rest, None),) if key is not None]
            if pair and "=" not in pair[0]:
                pair += [value for value in (next(rest, None),) if value is not None]
            merged += ["=".join(pair)] if pair else []
    return merged
