"""What concerns the installation: replay, audit, keys, health."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from posada_client.cli.codes import Code
from posada_client.cli.context import here
from posada_client.cli.screen import Column
from posada_client.models import Key

audit_app = typer.Typer(no_args_is_help=True, help="The event log, checked.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys. A key is shown once, when it is issued.")

Tenant = Annotated[str, typer.Option(help="Another tenant; only for the house's admins.")]


def replay(
    context: typer.Context,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Put the replayed read models in the place of the live ones.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Compare them with the live ones.")] = True,
) -> None:
    """Build the read models anew from the event log. Exit code 1 when they differ from the live ones."""
    cli = here(context)
    report = cli.client.replay(verify=verify, from_scratch=from_scratch)
    if cli.screen.as_json:
        cli.screen.document(report)
    else:
        columns = [Column("table"), Column("live", right=True), Column("replayed", right=True), Column("outcome")]
        rows = [(t.table, t.rows_live, t.rows_replayed, "equal" if t.equal else "differs") for t in report.tables]
        cli.screen.table(columns, rows, empty="Nothing was compared.")
        swapped = " The replayed ones are live now." if report.swapped else ""
        cli.screen.say(f"{report.events} events up to {report.sequence} in {report.took_ms} ms.{swapped}")
    if not report.equal:
        raise typer.Exit(Code.FAILED)


@audit_app.command()
def verify(context: typer.Context) -> None:
    """Walk the whole log: versions without gaps, every event readable. Exit code 1 on a fault."""
    cli = here(context)
    report = cli.client.audit()
    if cli.screen.as_json:
        cli.screen.document(report)
    else:
        rows = [(fault.sequence, fault.subject, fault.what) for fault in report.faults]
        columns = [Column("position", right=True), Column("subject"), Column("fault")]
        cli.screen.table(columns, rows, empty="The log holds together.")
        cli.screen.say(f"{report.events} events of {report.aggregates} aggregates in {report.took_ms} ms.")
    if report.faults:
        raise typer.Exit(Code.FAILED)


@keys_app.command("ls")
def list_keys(context: typer.Context, tenant: Tenant = "") -> None:
    """List the keys, revoked ones too."""
    cli = here(context)
    keys = list(cli.client.keys.list(tenant=tenant or None))
    if cli.screen.as_json:
        return cli.screen.document(keys)
    columns = [Column("id"), Column("role"), Column("label", 1), Column("created", 2), Column("state")]
    return cli.screen.table(columns, [_key_row(key) for key in keys], empty="No keys.")


@keys_app.command()
def issue(
    context: typer.Context,
    role: Annotated[Literal["admin", "operator", "viewer", "device"], typer.Option(help="What it may do.")],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    tenant: Tenant = "",
) -> None:
    """Issue a key. It is shown this once."""
    cli = here(context)
    new = cli.client.keys.issue(role, label, tenant=tenant or None)
    if cli.screen.as_json:
        return cli.screen.document(new)
    fields = [("id", new.id), ("tenant", new.tenant), ("role", new.role), ("label", new.label), ("key", new.key)]
    cli.screen.pairs(fields)
    return cli.screen.say("Keep the key: it is not shown again.", "yellow")


@keys_app.command()
def revoke(context: typer.Context, key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Revoke a key: it opens nothing any more."""
    cli = here(context)
    cli.client.keys.revoke(key_id)
    if cli.screen.as_json:
        return cli.screen.document({"id": key_id, "revoked": True})
    return cli.screen.say(f"Key {key_id} is revoked.")


def health(context: typer.Context) -> None:
    """Probe every dependency. Exit code 1 when one is down."""
    cli = here(context)
    found = cli.client.health()
    if cli.screen.as_json:
        cli.screen.document(found)
    else:
        rows = [(name, probed.status, probed.message) for name, probed in found.services.items()]
        columns = [Column("service"), Column("status"), Column("message")]
        cli.screen.table(columns, rows, empty=f"Health: {found.status}")
    if not found.ok:
        raise typer.Exit(Code.FAILED)


def _key_row(key: Key) -> list[object]:
    return [key.id, key.role, key.label, key.created_at, "revoked" if key.revoked else "ok"]
