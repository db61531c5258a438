"""`posada events`: the event log, read and followed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli, here
from posada_client.cli.screen import compact, printable, shown
from posada_client.cli.values import LARGEST_PAGE
from posada_client.errors import ClientError
from posada_client.follow import Manner
from posada_client.models import Event


def events(
    context: typer.Context,
    session: Annotated[str, typer.Option(metavar="ID", help="Only this session's.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens.")] = False,
    as_of: Annotated[str, typer.Option(metavar="T", help="The session as it was: a time or a position.")] = "",
    after: Annotated[int | None, typer.Option(metavar="N", min=0, help="Only what comes after position N.")] = None,
) -> None:
    """Show what has happened, oldest first. With --json, one document a line."""
    cli = here(context)
    if as_of:
        return _past(cli, session, as_of, clash=follow or after is not None)
    for event in _followed(cli, session, after) if follow else _past_ones(cli, session, after):
        _show(cli, event)
    return None


def _followed(cli: Cli, session: str, after: int | None) -> Iterator[Event]:
    """What happens, for as long as it takes; a connection that is lost is told of once, however often it is tried."""
    told: list[ClientError] = []

    def tell(error: ClientError | None) -> None:
        if error is not None and not told:
            told.append(error)
            cli.screen.say("The connection is lost; trying again until it is back.", "yellow")

    manner = Manner(patience=math.inf, on_break=tell, on_data=told.clear)
    if session:
        return cli.client.sessions.follow(session, after=after, manner=manner)
    return cli.client.events.follow(after, manner=manner)


def _past_ones(cli: Cli, session: str, after: int | None) -> Iterator[Event]:
    client = cli.client
    if session:
        return (event for event in client.sessions.events(session) if event.sequence > (after or 0))
    return client.events.list(after=after, page_size=LARGEST_PAGE)


def _past(cli: Cli, session: str, as_of: str, *, clash: bool) -> None:
    if not session or clash:
        raise CommandError(Code.USAGE, "--as-of goes with --session, and with neither --follow nor --after.")
    past = cli.client.sessions.as_of(session, int(as_of) if as_of.isdigit() else as_of)
    if cli.screen.as_json:
        return cli.screen.document(past)
    for event in past.items:
        _show(cli, event)
    if past.state is None:
        return cli.screen.say(f"There was no such session as of {as_of}.")
    state = past.state
    cli.screen.out.print()
    fields: list[tuple[str, object]] = [("as of", as_of), ("status", state.status), ("owner", state.owner)]
    rest = [("platform", state.platform), ("login stored", state.has_credentials), ("version", state.version)]
    return cli.screen.pairs([*fields, *rest])


def _show(cli: Cli, event: Event) -> None:
    if cli.screen.as_json:
        return cli.screen.record(event)
    line = Text.assemble(
        (f"{event.sequence:>6} ", "dim"),
        (f"{shown(event.time)} ", "dim"),
        (f"{printable(event.type):<24} ", "bold"),
        f"{printable(event.subject_id)} ",
        (printable(compact(event.data)) if event.data else "", "dim"),
    )
    return cli.screen.out.print(line, soft_wrap=True)
