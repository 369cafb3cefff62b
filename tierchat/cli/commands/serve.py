"""`tierchat serve`: the endpoint over TCP, for any client that speaks OpenAI's protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from tierchat.cli.options import Json, home_of


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="The address to listen on.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65_535, help="The port; 0 is any.")
    ] = None,
    no_key: Annotated[
        bool, typer.Option("--no-key", help="Ask for no key; on this machine's own addresses only.")
    ] = False,
    expose: Annotated[
        bool, typer.Option("--expose", help="Allow an address that other machines reach.")
    ] = False,
    tls_cert: Annotated[
        str | None, typer.Option(metavar="FILE", help="Speak TLS with this certificate (PEM).")
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option(metavar="FILE", help="The certificate's private key (PEM).")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Let pages of this origin in; may be repeated."),
    ] = None,
    background: Annotated[
        bool, typer.Option("--background", "-b", help="Return at once; the daemon goes on.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop listening.")] = False,
    show_key: Annotated[bool, typer.Option("--show-key", help="Print the key.")] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new key; the old one is worth nothing then.")
    ] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Write a systemd unit that serves after login.")
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove that unit.")] = False,
    json: Json = False,
) -> None:
    """Serve any OpenAI client over TCP.

    The endpoint is at http://127.0.0.1:8421/v1 until Ctrl-C. Clients need a key, made at first
    use: `tierchat serve --show-key` prints it. The settings `serve = true`, `serve_port`,
    `serve_host` and so on let the daemon listen whenever it runs.
    """
    from tierchat.cli.actions.serving.serve import ServeRequest, run

    chosen = [stop, show_key, new_key, install, uninstall]
    names = ("stop", "show-key", "new-key", "install", "uninstall")
    options = ServeRequest(
        host=host,
        port=port,
        no_key=no_key,
        expose=expose,
        tls_cert=tls_cert,
        tls_key=tls_key,
        origins=tuple(origin or ()),
        is_background=background,
        is_json=json,
        actions=tuple(name for name, is_on in zip(names, chosen, strict=True) if is_on),
    )
    raise typer.Exit(run(options, home_of(context)))
