"""The settings, read from config.toml and the environment, and checked.

Does not know models, workers or commands; `Settings` is a plain value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from tierchat.atomic_file import write_quietly
from tierchat.config.toml_files import decode_toml, parse_toml, read_own
from tierchat.errors import ConfigError, UsageError, did_you_mean
from tierchat.paths import Paths
from tierchat.types import Frozen

# The fewest tokens that hold a turn.
MIN_CONTEXT = 64
_MAX_NAME = 64
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_HOME = "TIERCHAT_HOME"
# The key of a tierchat elsewhere: a secret, and no setting of a file that people share.
KEY_VARIABLE = "TIERCHAT_KEY"
# Variables of the tests, which nobody else is pointed to.
_TEST_VARIABLES = ("TIERCHAT_REAL_MODELS", "TIERCHAT_LLAMA_TEMPLATES")
# What --model suggests, though the setting is called otherwise.
_OTHER_WORDS = {"TIERCHAT_MODEL": "TIERCHAT_CASCADE", "TIERCHAT_DEFAULT_MODEL": "TIERCHAT_CASCADE"}
# The cascade inside the wheel.
BUNDLED = "pocket"


class Settings(Frozen, frozen=True):
    """How the daemon and the commands behave; every key is also TIERCHAT_<KEY>."""

    cascade: str = BUNDLED
    keepalive: str = "30m"
    context: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    num_threads: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    max_active: Annotated[int, msgspec.Meta(ge=1, le=256)] = 64
    max_waiting: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 64
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    hide_reasoning: bool = False
    log: bool = True
    offer_pull: bool = True
    teach: bool = True
    teach_idle_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 120.0
    teach_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    teach_on_battery: bool = False
    audit_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.02
    theme: Literal["dark", "light", "plain"] = "dark"
    serve: bool = False
    serve_host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "127.0.0.1"
    serve_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8421
    serve_no_key: bool = False
    serve_expose: bool = False
    serve_tls_cert: str = ""
    serve_tls_key: str = ""
    serve_origins: str = ""
    serve_names: str = ""
    server: str = ""
    server_key_file: str = ""
    claude_tiers: str = ""


def load_settings(paths: Paths, env: Mapping[str, str]) -> Settings:
    """Read config.toml, then TIERCHAT_<KEY>; raises ConfigError with the file and line, or the
    variable, of a mistake.
    """
    text = read_own(paths.config_file)
    chosen = chosen_cascade(paths)
    values: dict[str, Any] = {"cascade": chosen} if chosen else {}
    if text is not None:
        decode_toml(text, paths.config_file, Settings)
        values |= parse_toml(text, paths.config_file)
    given = {
        key: env[name] for key in Settings.__struct_fields__ if (name := _variable(key)) in env
    }
    try:
        settings = msgspec.convert({**values, **given}, Settings, strict=False)
    except msgspec.ValidationError as error:
        from tierchat.config.expected import place_and_message, wrong

        (key, _), what = place_and_message(error), wrong(error, Settings)
        raise ConfigError(
            f"environment variable {_variable(key)} is {given.get(key)!r}: {what}",
            "unset it or correct it",
        ) from error
    if 0 < settings.context < MIN_CONTEXT:
        raise ConfigError(
            f"context = {settings.context} ({setting_sources(paths, env)['context']}): "
            "too small for one turn",
            f"the minimum is {MIN_CONTEXT}; 0 takes the longest that fits",
        )
    try:
        parse_keepalive(settings.keepalive)
    except UsageError as error:
        raise ConfigError(f"{_place(paths, text, given)}: {error.message}", error.hint) from error
    return settings


def setting_sources(paths: Paths, env: Mapping[str, str]) -> dict[str, str]:
    """Return for every setting where its value comes from."""
    in_file = parse_toml(read_own(paths.config_file) or "", paths.config_file)
    sources = dict.fromkeys(Settings.__struct_fields__, "default")
    if chosen_cascade(paths):
        sources["cascade"] = "tierchat pull"
    sources |= dict.fromkeys(in_file, str(paths.config_file))
    return sources | {key: _variable(key) for key in sources if _variable(key) in env}


def chosen_cascade(paths: Paths) -> str:
    """Return the cascade that the last `tierchat pull` chose, or an empty text."""
    try:
        return paths.cascade_file.read_text("utf-8", errors="replace").strip()[:_MAX_NAME]
    except OSError:
        return ""


def choose_cascade(paths: Paths, cascade: str) -> None:
    """Make a cascade the default of this home, unless its settings name another."""
    write_quietly(paths.cascade_file, f"{cascade}\n".encode())


def parse_keepalive(text: str) -> float:
    """Convert `10m`, `1h30m` or a number to seconds: negative is for ever, 0 unloads at once.

    Raises UsageError.
    """
    bare = text.strip()
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", bare):
        return float(bare)
    if not re.fullmatch(r"-?([0-9]+(\.[0-9]+)?[smhd])+", bare):
        raise UsageError(
            f"keepalive {text!r} is not a duration",
            "use 10m, 1h30m, a number of seconds, -1 for ever, or 0 to unload after the answer",
        )
    parts = re.findall(r"([0-9.]+)([smhd])", bare)
    total = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    return -total if bare.startswith("-") else total


def unknown_variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that look like ours and are none, each with a hint."""
    known = [*map(_variable, Settings.__struct_fields__), _HOME, KEY_VARIABLE]
    ours = {*known, *_TEST_VARIABLES}
    names = sorted(n for n in env if n.upper().startswith("TIERCHAT_") and n not in ours)
    meant = {name: _OTHER_WORDS.get(name.upper(), name.upper()) for name in names}
    return {
        name: did_you_mean(meant[name], known, "`tierchat config` lists them") for name in names
    }


def _variable(key: str) -> str:
    return f"TIERCHAT_{key.upper()}"


def _place(paths: Paths, text: str | None, given: Mapping[str, str]) -> str:
    from tierchat.config.toml_lines import find_line

    if text is None or "keepalive" in given:
        return f"environment variable {_variable('keepalive')}"
    return f"{paths.config_file}, line {find_line(text, ('keepalive',))}"
