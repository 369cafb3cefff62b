"""Turns the options of `ask` into a prompt, checked before anything is sent.

Does not know typer or the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tierchat.cli import templates
from tierchat.cli.ask.answer_schema import read_schema
from tierchat.cli.ask.attachments import attach
from tierchat.cli.ask.options import AskRequest
from tierchat.cli.ask.sampling_options import (
    checked,
    parse_quality,
    parse_sampling,
    parse_wait,
)
from tierchat.cli.ask.stdin import Notices, Stdin, StdinRule, read_prompt, readable
from tierchat.cli.server import refuse_saved, server_of
from tierchat.config.home import Home
from tierchat.config.settings import parse_keepalive
from tierchat.conversations import past as conversations
from tierchat.errors import UsageError
from tierchat.terminal.output import Output
from tierchat.types import Hold, Prompt, TierOptions


def clean(request: AskRequest, output: Output) -> AskRequest:
    """Make every text of the command line valid Unicode, with a notice for each that was not."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, list):
            return [cleaned(part) for part in value]
        if isinstance(value, str):
            return readable(value, lambda text: output.note(text, "yellow"))
        return value

    return AskRequest(**{name: cleaned(value) for name, value in vars(request).items()})


def build_prompt(
    request: AskRequest,
    home: Home,
    output: Output,
    stdin: Stdin,
    *,
    hold: Hold,
) -> Prompt:
    """Check the options and read the prompt; raises UsageError naming the mistake."""
    settings = home.settings
    known = (
        templates.load(home.paths.templates_dir, request.template)
        if request.template
        else templates.Template()
    )
    if request.raw:
        _refuse_beside_raw(request, known)
    server = server_of(home, request.server)
    if server:
        refuse_saved(server, request.continue_, request.conversation)
    past = conversations.find(home.paths, request.continue_, request.conversation)
    sampling = parse_sampling(request.option or [], request.seed, known.options)
    if request.schema:
        wanted = read_schema(request.schema)
        sampling = msgspec.structs.replace(sampling, json_schema=wanted)
    asked, wait = request.quality or known.quality, request.max_wait or known.max_wait
    options = checked(
        TierOptions,
        {
            # A server has cascades, and a default, of its own.
            "cascade": request.cascade
            or known.cascade
            or past.cascade
            or (None if server else settings.cascade),
            "tier": request.tier or known.tier,
            "min_tier": request.min_tier or known.min_tier,
            "max_tier": request.max_tier or known.max_tier,
            "no_escalate": request.no_escalate or known.no_escalate,
            "raw": request.raw,
            "draft": request.draft,
            "explain": request.explain,
            "quality": None if asked is None else parse_quality(str(asked)),
            "max_wait_s": None if wait is None else parse_wait(str(wait)),
            "hold": hold,
            "keepalive_s": None
            if request.keepalive is None
            else parse_keepalive(request.keepalive),
            "timeout_s": settings.timeout_s if request.timeout is None else request.timeout,
        },
    )
    cascade = options.cascade or ""
    # Only a prompt that goes on with a conversation pays for reading the catalogue.
    if past.last.tier and (spec := home.catalogue.cascades.get(cascade)):
        options = past.last.options(options, cascade, [tier.name for tier in spec.tiers])
    if settings.log and not request.no_log and not server:
        saving = conversations.save_in(past.id, request.template or "")
        options = msgspec.structs.replace(options, save=saving)
    return Prompt(
        messages=past.ask(
            known.text(_words(request, output, stdin)),
            request.system or known.system or past.system,
        ),
        sampling=sampling,
        options=options,
        think=known.think if request.think is None else request.think,
    )


def _refuse_beside_raw(request: AskRequest, known: templates.Template) -> None:
    """Raise UsageError for what only a conversation can have."""
    beside = {
        "--system": request.system,
        f"--template {request.template}, which has a system text,": known.system,
        "--continue": request.continue_,
        "--conversation": request.conversation,
        "--interactive": request.interactive,
        "--think": request.think,
        "--draft": request.draft,
    }
    for option, value in beside.items():
        if value:
            raise UsageError(
                f"--raw and {option} do not go together",
                "--raw continues a text; leave it out to have a conversation",
            )


def _words(request: AskRequest, output: Output, stdin: Stdin) -> str:
    notices = Notices(lambda text: output.note(text, "yellow"), output.note)
    rule: StdinRule = "auto" if request.stdin is None else "always" if request.stdin else "never"
    if Path("-") in (request.file or []):
        # Standard input is one of the files, and can be read only once.
        rule = "never"
    files = attach(request.file or [], stdin, notices)
    words = read_prompt(
        request.prompt or [], stdin, rule, notices, may_be_empty=bool(files or request.template)
    )
    return "\n\n".join(part for part in (words, files) if part)
