"""`posada sessions`: made, listed, checked, cleaned, deleted."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Annotated

import typer

from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli, here
from posada_client.cli.screen import Column
from posada_client.cli.values import LARGEST_PAGE, json_from, labels
from posada_client.models import CleanReport, Session

app = typer.Typer(no_args_is_help=True, help="Sessions: one per owner and platform.")

COLUMNS = [
    Column("id"),
    Column("owner"),
    Column("platform"),
    Column("status"),
    Column("browser", 2),
    Column("login", 3),
    Column("priority", 5),
    Column("last activity", 4),
]

Id = Annotated[str, typer.Argument(metavar="ID", help="The session's id.")]
Login = Annotated[str, typer.Option("--storage-state", metavar="FILE|-", help="A Playwright storage_state or cookies.")]


@app.command("ls")
def list_(
    context: typer.Context,
    *,
    owner: Annotated[str, typer.Option(help="Only this owner's.")] = "",
    platform: Annotated[str, typer.Option(help="Only on this platform.")] = "",
    status: Annotated[str, typer.Option(help="created, active, expired, banned, cleaned or erased.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """List sessions, newest first."""
    cli = here(context)
    size = LARGEST_PAGE if everything else min(limit + 1, LARGEST_PAGE)
    found = cli.client.sessions.list(
        owner=owner or None, platform=platform or None, status=status or None, page_size=size
    )
    sessions = list(islice(found, None if everything else limit + 1))
    kept = sessions if everything else sessions[:limit]
    if cli.screen.as_json:
        return cli.screen.document(kept)
    cli.screen.table(COLUMNS, [_row(session) for session in kept], empty="No sessions.")
    if len(kept) < len(sessions):
        cli.screen.say("There are more: --all shows them.", "dim")
    return None


@app.command()
def show(context: typer.Context, session_id: Id) -> None:
    """Show one session."""
    cli = here(context)
    _present(cli, cli.client.sessions.get(session_id))


@app.command()
def create(
    context: typer.Context,
    *,
    owner: Annotated[str, typer.Argument(metavar="OWNER")],
    platform: Annotated[str, typer.Argument(metavar="PLATFORM")],
    storage_state: Login = "",
    proxy: Annotated[str, typer.Option(metavar="URL", help="Everything goes out through it.")] = "",
    user_agent: Annotated[str, typer.Option()] = "",
    priority: Annotated[str, typer.Option(help="normal or vip.")] = "normal",
    label: Annotated[list[str] | None, typer.Option(metavar="K=V", help="May be given more than once.")] = None,
) -> None:
    """Make the session of OWNER on PLATFORM."""
    cli = here(context)
    session = cli.client.sessions.create(
        owner,
        platform,
        storage_state=json_from(storage_state) if storage_state else None,
        proxy_url=proxy or None,
        user_agent=user_agent or None,
        priority=priority,
        labels=labels(label or []),
    )
    _present(cli, session)


@app.command()
def login(
    context: typer.Context,
    session_id: Id,
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="A Playwright storage_state or cookies.")],
) -> None:
    """Store a login for a session. Nothing ever reads it back."""
    cli = here(context)
    _present(cli, cli.client.sessions.put_credentials(session_id, json_from(source)))


@app.command()
def validate(context: typer.Context, session_id: Id) -> None:
    """Check a session's login now. Exit code 1 when it is not valid."""
    cli = here(context)
    check = cli.client.sessions.validate(session_id)
    if cli.screen.as_json:
        cli.screen.document(check)
    else:
        seen = check.evidence
        fields = [("verdict", check.verdict), ("probe", check.probe), ("took", f"{check.took_ms} ms")]
        fields += [("seen at", seen.url), ("marker", seen.marker), ("detail", seen.detail)]
        cli.screen.pairs(fields)
    if check.verdict != "valid":
        raise typer.Exit(Code.FAILED)


@app.command()
def clean(context: typer.Context, session_id: Id) -> None:
    """Close, kill, quarantine and remove what hangs. Safe to repeat."""
    cli = here(context)
    present_clean_up(cli, cli.client.sessions.clean(session_id))


def present_clean_up(cli: Cli, report: CleanReport) -> None:
    """What a clean-up did, step by step. Raises typer.Exit when a step failed."""
    if cli.screen.as_json:
        cli.screen.document({"ok": report.ok, "steps": report.steps})
    else:
        rows = [(step.name, "ok" if step.ok else "error", step.detail) for step in report.steps]
        cli.screen.table([Column("step"), Column("outcome"), Column("detail")], rows, empty="Nothing to clean.")
    if not report.ok:
        raise typer.Exit(Code.FAILED)


@app.command()
def rm(
    context: typer.Context,
    session_id: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a session and destroy the key of its login for good. Its events stay."""
    cli = here(context)
    if not yes:
        _confirm(session_id)
    cli.client.sessions.delete(session_id)
    if cli.screen.as_json:
        cli.screen.document({"id": session_id, "deleted": True})
    else:
        cli.screen.say(f"Session {session_id} is deleted; its login can never be read again.")


def _confirm(session_id: str) -> None:
    if not sys.stdin.isatty():
        raise CommandError(Code.USAGE, "Deleting cannot be undone: say --yes.")
    typer.confirm(f"Delete session {session_id}? Its login can never be read again.", abort=True, err=True)


def _present(cli: Cli, session: Session) -> None:
    if cli.screen.as_json:
        return cli.screen.document(session)
    fields: list[tuple[str, object]] = [("id", session.id), ("owner", session.owner), ("platform", session.platform)]
    fields += [("status", session.status), ("browser", session.browser), ("priority", session.priority)]
    fields += [("login stored", session.has_credentials), ("proxy", session.proxy_url)]
    fields += [("user agent", session.user_agent), ("labels", session.labels), ("created", session.created_at)]
    fields += [("last activity", session.last_activity_at), ("validated", session.validated_at)]
    return cli.screen.pairs([*fields, ("version", session.version)])


def _row(session: Session) -> list[object]:
    return [
        session.id,
        session.owner,
        session.platform,
        session.status,
        session.browser,
        session.has_credentials,
        session.priority,
        session.last_activity_at,
    ]
