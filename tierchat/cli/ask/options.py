"""What can be typed after `tierchat ask`: every option declared once.

typer reads the annotations, the rest of this folder the values. Does not know what an option does.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import (
    Cascade,
    Continue,
    Conversation,
    HideReasoning,
    Json,
    NoLog,
    Plain,
    Quiet,
    Server,
    System,
    Tier,
    Tools,
)

MinTier = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Start at this tier.", autocompletion=completions.tiers),
]
MaxTier = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Go no higher than this tier.", autocompletion=completions.tiers
    ),
]


@dataclass(frozen=True)
class AskRequest:
    """One `tierchat ask`, in the order that its help lists the options."""

    prompt: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROMPT]...", help="The question; `-` reads it from standard input."
        ),
    ] = None
    cascade: Cascade = None
    system: System = None
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            "-o",
            metavar="KEY VALUE",
            help="Set temperature, top_k, top_p, min_p, repeat_penalty, max_tokens, stop or any "
            "other sampling option of llama.cpp; may be repeated.",
        ),
    ] = None
    tier: Tier = None
    min_tier: MinTier = None
    max_tier: MaxTier = None
    no_escalate: Annotated[
        bool,
        typer.Option(
            "--no-escalate", help="Let the first tier answer, even if its gate would escalate."
        ),
    ] = False
    draft: Annotated[
        bool, typer.Option("--draft/--no-draft", help="Hand a rejected draft to the next tier.")
    ] = False
    quality: Annotated[
        str | None,
        typer.Option(
            metavar="Q",
            help="The share of the top tier's right answers to keep: 0..1 is a promise; frugal, "
            "balanced and best are what the lesson expects.",
        ),
    ] = None
    max_wait: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Choose no tier that is expected to take longer: 10s, 500ms, 1m. Cuts nothing "
            "off; that is --timeout.",
        ),
    ] = None
    think: Annotated[
        bool | None,
        typer.Option("--think/--no-think", help="Let the tiers think before they answer."),
    ] = None
    explain: Annotated[
        bool, typer.Option("--explain", help="List every visited tier, its reasons and its cost.")
    ] = False
    json: Json = False
    quiet: Quiet = False
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Print the answer only when it is complete.")
    ] = False
    hide_reasoning: HideReasoning = False
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Continue as a chat after the answer.")
    ] = False
    plain: Plain = False
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Let the first tier continue the text as it is, without a chat template."
        ),
    ] = False
    usage: Annotated[
        bool,
        typer.Option("--usage", "-u", help="Print the tier line even where stderr is no terminal."),
    ] = False
    keepalive: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="How long the models stay loaded: 10m, 90 (seconds), -1 for ever."
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Give up after this time (exit code 124)."),
    ] = None
    seed: Annotated[int | None, typer.Option(metavar="N", help="The seed for random sampling.")] = (
        None
    )
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="Add a text file to the prompt, `-` for standard input; may be repeated.",
        ),
    ] = None
    tool: Tools = None
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            "-t",
            metavar="NAME",
            help="Use this template.",
            autocompletion=completions.templates,
        ),
    ] = None
    extract: Annotated[
        bool, typer.Option("--extract", "-x", help="Print only the last code block.")
    ] = False
    schema: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEMA",
            help='The schema of the answer: JSON, a file, or in short "name, age int, tags [str]".',
        ),
    ] = None
    continue_: Continue = False
    conversation: Conversation = None
    no_log: NoLog = False
    server: Server = None
    stdin: Annotated[
        bool | None,
        typer.Option("--stdin/--no-stdin", help="Add standard input in any case, or never."),
    ] = None


def parameters() -> list[inspect.Parameter]:
    """Return the options as the parameters of a function that typer makes a command of."""
    return list(inspect.signature(AskRequest, eval_str=True).parameters.values())
