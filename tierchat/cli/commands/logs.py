"""`tierchat logs ls|show|search|rename|rm|export|path`: the saved conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierchat.cli import completions
from tierchat.cli.options import Json, Yes, home_of

Id = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID]",
        help="The id of a conversation, or its first characters.",
        autocompletion=completions.conversations,
    ),
]
Num = Annotated[
    int, typer.Option("--num", "-n", metavar="N", min=1, help="Show at most this many.")
]


def add_to(app: typer.Typer) -> None:
    """Register the group and its subcommands."""
    group = typer.Typer(
        help="List, show, search and remove saved conversations.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for name, command in (
        ("ls", ls),
        ("show", show),
        ("search", search),
        ("rename", rename),
        ("rm", rm),
        ("export", export),
        ("path", path),
    ):
        group.command(name)(command)
    app.add_typer(group, name="logs")


def ls(context: typer.Context, num: Num = 20, json: Json = False) -> None:
    """List conversations, newest first."""
    from tierchat.conversations.listing import SavedConversations
    from tierchat.terminal.output import standard_output

    output = standard_output()
    output.lines(SavedConversations(home_of(context).paths).overview(num, is_json=json))


def show(
    context: typer.Context,
    id: Id = None,
    with_hidden: Annotated[
        bool, typer.Option("--all", "-a", help="Include undone and replaced exchanges.")
    ] = False,
    json: Json = False,
) -> None:
    """Show one conversation; the last one unless named."""
    from tierchat.conversations.listing import SavedConversations
    from tierchat.terminal.output import standard_output

    output = standard_output()
    for line in SavedConversations(home_of(context).paths).show(
        id, with_hidden=with_hidden, is_json=json
    ):
        output.line(line)


def search(
    context: typer.Context,
    words: Annotated[
        list[str], typer.Argument(metavar="WORD...", help="Words that must all occur.")
    ],
    num: Num = 20,
    json: Json = False,
) -> None:
    """Find exchanges by words of prompt and answer, best match first."""
    from tierchat.conversations.listing import SavedConversations
    from tierchat.terminal.output import standard_output

    output = standard_output()
    for line in SavedConversations(home_of(context).paths).search(
        " ".join(words), num, is_json=json
    ):
        output.line(line)


def rename(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The conversation.")],
    title: Annotated[list[str], typer.Argument(metavar="TITLE...", help="Its new title.")],
) -> None:
    """Give a conversation another title."""
    from tierchat.cli.actions import logs
    from tierchat.terminal.output import standard_output

    standard_output().line(logs.rename(home_of(context).paths, id, " ".join(title)))


def rm(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="The conversations to remove.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Remove every conversation.")] = False,
    yes: Yes = False,
) -> None:
    """Remove conversations for good."""
    from tierchat.cli.actions import logs
    from tierchat.terminal.confirm import confirm
    from tierchat.terminal.output import standard_output

    paths, output = home_of(context).paths, standard_output()
    found = logs.choose(paths, ids or [], is_every=every)
    names = ", ".join(f"{row.id} ({row.title})" for row in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    confirm(output, f"Remove {names}{more}?", is_sure=yes, default=False)
    for row in found:
        logs.remove(paths, row.id)
    output.note(f"removed {len(found)}")


def export(
    context: typer.Context,
    id: Id = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file to write; stdout unless named."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a conversation as Markdown or JSON."""
    from tierchat.conversations.listing import SavedConversations, write_export
    from tierchat.terminal.output import standard_output

    text = SavedConversations(home_of(context).paths).export(id, is_json=json)
    if file is None:
        standard_output().answer(text)
    else:
        write_export(file, text)
        standard_output().note(f"wrote {file}")


def path(context: typer.Context) -> None:
    """Print the path of the log, an SQLite file that any tool may read."""
    from tierchat.terminal.output import standard_output

    standard_output().line(str(home_of(context).paths.log_file))
