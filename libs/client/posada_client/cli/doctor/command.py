"""The command itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli, here
from posada_client.cli.doctor import browser, machine, running, servers
from posada_client.cli.doctor.check import Check
from posada_client.cli.doctor.selectors import check_selectors
from posada_client.cli.jobs import session_named
from posada_client.cli.screen import printable

_MARKS = {"ok": ("ok     ", "green"), "warn": ("warn   ", "yellow"), "missing": ("missing", "red")}


def doctor(
    context: typer.Context,
    platform: Annotated[str, typer.Option(help="Check this platform's selectors instead, on a session.")] = "",
    session: Annotated[str, typer.Option(metavar="ID", help="The session to check them with.")] = "",
    owner: Annotated[str, typer.Option(help="Or its owner.")] = "",
    target: Annotated[str, typer.Option(help="Where to look, when not at the session's own pages.")] = "",
) -> None:
    """Say what is missing on this machine, and how to get it. Exit code 1 when something required is missing."""
    cli = here(context)
    if platform:
        named = session_named(session, owner, "" if session else platform)
        return check_selectors(cli, named, target)
    if session or owner or target:
        raise CommandError(Code.USAGE, "--session, --owner and --target go with --platform.")
    checks = list(_checks(cli))
    lacking = any(check.level == "missing" for check in checks)
    if cli.screen.as_json:
        cli.screen.document({"ok": not lacking, "checks": checks})
    else:
        _show(cli, checks)
    if lacking:
        raise typer.Exit(Code.FAILED)
    return None


def _checks(cli: Cli) -> Iterator[Check]:
    yield from (machine.python(), servers.platform(), browser.chromium(), browser.sandbox())
    yield from (servers.nats(), servers.postgres())
    yield from (machine.writable(cli.data), machine.room(cli.data), machine.memory())
    yield from (machine.master_key(cli.data), machine.clock(cli.data))
    yield from running.running(cli)


def _show(cli: Cli, checks: list[Check]) -> None:
    wide = max(len(check.name) for check in checks)
    for check in checks:
        mark, style = _MARKS[check.level]
        line = Text.assemble((mark, style), "  ", (f"{check.name:<{wide}}", "bold"), "  ", printable(check.found))
        cli.screen.out.print(line, soft_wrap=True)
        indent = " " * (wide + 11)
        for told in (f"means: {check.means}" if check.means else "", f"fix:   {check.fix}" if check.fix else ""):
            if told:
                cli.screen.out.print(Text(indent + printable(told), style="dim"), soft_wrap=True)
    lacking = [check.name for check in checks if check.level == "missing"]
    cli.screen.say(f"Missing: {', '.join(lacking)}." if lacking else "Nothing that is required is missing.")
