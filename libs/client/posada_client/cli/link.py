"""`posada link`: sessions that a phone lets in when it scans a code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posada_client.cli.codes import Code
from posada_client.cli.context import Cli, here
from posada_client.cli.files import save
from posada_client.cli.scannable import Board
from posada_client.cli.sessions import present_clean_up
from posada_client.decode import encode
from posada_client.errors import UnreachableError, WaitTimeoutError
from posada_client.models import Link, LinkCode

app = typer.Typer(no_args_is_help=True, help="Sessions that a phone lets in when it scans a code.")

Id = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]


@app.command()
def connect(
    context: typer.Context,
    session_id: Id,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds to show codes at most; the link waits on.")
    ] = None,
) -> None:
    """Link a session, and show the code until a phone has scanned it. Exit code 1 when that does not come about.

    With --json one document a line: every code, and the link at the end.
    """
    cli = here(context)
    with cli.screen.err.status("Opening the page …"):
        link = cli.client.links.connect(session_id)
    if not link.settled:
        link = _shown_until_settled(cli, session_id, timeout)
    if cli.screen.as_json:
        cli.screen.record(link)
    else:
        _present(cli, link)
    if link.state != "connected":
        raise typer.Exit(Code.FAILED)


@app.command()
def show(
    context: typer.Context,
    session_id: Id,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="The code as a PNG.")] = None,
) -> None:
    """Show how a link stands, and its code where one waits to be scanned."""
    cli = here(context)
    if output is not None:
        save(output, lambda write: write(cli.client.links.qr_png(session_id)))
    link = cli.client.links.get(session_id)
    code = cli.client.links.qr(session_id) if link.has_qr and output is None else None
    if cli.screen.as_json:
        written = {} if output is None else {"file": str(output)}
        return cli.screen.document({**encode(link), **(encode(code) if code else {}), **written})
    _present(cli, link)
    if code is not None:
        Board(cli.screen).show(code.qr)
    if output is not None:
        cli.screen.say(f"Written to {output}.")
    return None


@app.command()
def clean(context: typer.Context, session_id: Id) -> None:
    """End a link and clean its session. The login stays: the next link needs no code."""
    cli = here(context)
    present_clean_up(cli, cli.client.links.clean(session_id))


def _shown_until_settled(cli: Cli, session_id: str, timeout: float | None) -> Link:
    """The link when it is connected or has ended. Whoever stops waiting is told how to go on."""
    if not cli.screen.as_json:
        cli.screen.say("Scan the code with the phone. Ctrl-C stops showing it; the link goes on waiting then.", "dim")
    with Board(cli.screen) as board:

        def show_code(code: LinkCode) -> None:
            if cli.screen.as_json:
                cli.screen.record({"state": "qr", **encode(code)})
            else:
                board.show(code.qr)

        try:
            return cli.client.links.wait(session_id, show_code, timeout=timeout)
        except (KeyboardInterrupt, UnreachableError, WaitTimeoutError):
            board.clear()
            cli.screen.say(
                f"The link goes on waiting. `posada link connect {session_id}` shows its code again, "
                f"`posada link clean {session_id}` ends it."
            )
            raise


def _present(cli: Cli, link: Link) -> None:
    cli.screen.pairs([("state", link.state), ("since", link.changed_at), ("detail", link.detail)])
