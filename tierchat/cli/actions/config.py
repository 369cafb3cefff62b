"""`tierchat config check`: every value in force, and the file that it comes from.

Does not know streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tierchat.config.catalogue_files import Origin, origins, shipped_models_file
from tierchat.config.home import Home
from tierchat.config.settings import setting_sources
from tierchat.config.toml_text import toml_text
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.models.sampling import by_source, header_of, of_model
from tierchat.outcomes import SourcedValue
from tierchat.terminal.table import fitted, table


def check_lines(home: Home, width: int | None = None) -> Iterator[str]:
    """List every value, settings first; raises ConfigError naming file and line of a mistake.

    Values are cut to lines of `width`, and whole without it.
    """
    paths, settings, catalogue = home.paths, home.settings, home.catalogue
    sources = setting_sources(paths, home.env)
    catalogue.check_default(settings.cascade, sources["cascade"])
    for file in (paths.config_file, paths.models_file, paths.added_models_file):
        yield f"{'read' if file.exists() else 'absent':<10} {file}"
    yield f"{'read':<10} {shipped_models_file()}"
    rows: list[tuple[str, ...]] = [("KEY", "VALUE", "FROM")]
    rows += [(key, toml_text(getattr(settings, key)), source) for key, source in sources.items()]
    headers = CheckedHeaders()
    values: dict[str, dict[str, Any]] = msgspec.to_builtins(catalogue)
    for origin in origins(paths):
        rows += _rows(origin, values[origin.kind][origin.name])
        if origin.kind == "models":
            rows += _sampling_rows(origin, home, headers)
    if width is None:
        yield from table(rows)
    else:
        yield from _for_terminal(rows, home, width)
        yield "long values are cut here; `tierchat config check | cat` shows them whole"
    yield from think_lines(home, headers)
    yield (
        f"{len(catalogue.models)} models, {len(catalogue.cascades)} cascades and "
        f"{len(catalogue.families)} families, all in order"
    )


def think_lines(home: Home, headers: CheckedHeaders) -> Iterator[str]:
    """Name the tiers that are to think, on models that cannot."""
    for name, cascade in home.catalogue.cascades.items():
        for tier in cascade.tiers:
            header = header_of(home.catalogue.models[tier.model], headers) if tier.think else None
            if header and not header.can_think:
                yield (
                    f"note: think = true of {name}:{tier.name} has no effect, as the chat template "
                    f"of {tier.model} has no switch for it"
                )


def check_facts(home: Home) -> dict[str, Any]:
    """Return the same as plain values, for JSON; raises ConfigError."""
    settings, sources = home.settings, setting_sources(home.paths, home.env)
    headers = CheckedHeaders()
    values: dict[str, dict[str, Any]] = msgspec.to_builtins(home.catalogue)
    found: dict[str, Any] = {
        "settings": {
            key: {"value": getattr(settings, key), "from": source}
            for key, source in sources.items()
        }
    }
    for origin in origins(home.paths):
        entry = values[origin.kind][origin.name]
        found.setdefault(origin.kind, {})[origin.name] = {
            key: {"value": entry[key], "from": source} for key, source in origin.keys.items()
        }
    found["sampling"] = {
        name: msgspec.to_builtins(_sampling(name, home, headers)) for name in home.catalogue.models
    }
    return found


def _sampling(name: str, home: Home, headers: CheckedHeaders) -> Mapping[str, SourcedValue]:
    return of_model(name, home.catalogue, header_of(home.catalogue.models[name], headers)).values


def _sampling_rows(
    origin: Origin, home: Home, headers: CheckedHeaders
) -> Iterator[tuple[str, ...]]:
    """Show the values that models.toml leaves open, with their sources."""
    for source, found in by_source(_sampling(origin.name, home, headers)).items():
        # The rows of models.toml name the file itself.
        if not source.endswith("models.toml"):
            yield (f"{origin.kind}.{origin.name}.sampling", _shown(found), source)


def _rows(origin: Origin, entry: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, source in origin.keys.items():
        name = f"{origin.kind}.{origin.name}.{key}"
        if key == "tiers":
            for index, tier in enumerate(entry[key]):
                told = {k: v for k, v in tier.items() if v not in (None, {}, "")}
                yield (f"{name}[{index}]", _shown(told), _place(source))
        else:
            yield (name, _shown(entry[key]), _place(source))


def _place(source: str) -> str:
    return "shipped" if Path(source) == shipped_models_file() else source


def _for_terminal(rows: list[tuple[str, ...]], home: Home, width: int) -> Iterator[str]:
    """Give every model and cascade a heading, so that its keys are short, and cut long values."""
    groups = [key.rpartition(".")[0] for key, _, _ in rows]
    short = [
        (f"{'  ' if group else ''}{key.removeprefix(f'{group}.')}", value, _short(source, home))
        for group, (key, value, source) in zip(groups, rows, strict=True)
    ]
    before = ""
    for group, line in zip(groups, fitted(short, 1, width), strict=True):
        if group != before:
            yield group[:width]
        before = group
        yield line


def _short(source: str, home: Home) -> str:
    """Name a file of the user by its last part; the first lines show the whole path."""
    paths = home.paths
    names = {paths.config_file: "config.toml", paths.models_file: "models.toml"}
    return {**names, paths.added_models_file: "tierchat add"}.get(Path(source), source)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(v)}" for key, v in value.items())
    return toml_text(value)
