"""`posada sessions import`: many logins at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from posada_client.cli.codes import Code
from posada_client.cli.context import Cli, here
from posada_client.cli.logins import Entry, Reading, entries
from posada_client.cli.screen import Column
from posada_client.errors import PosadaProblem

#: Statuses that would be the answer to every other line as well.
_FOR_ALL = frozenset({401, 403})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one line."""

    where: str
    owner: str
    platform: str
    outcome: str  #: imported, exists or refused
    session_id: str = ""
    detail: str = ""


def import_(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", exists=True, help="JSON, NDJSON, CSV; directories.")
    ],
    platform: Annotated[str, typer.Option(help="For every line that names none.")] = "",
    owner_from_name: Annotated[
        bool, typer.Option("--owner-from-name", help="ana.json is ana's, where no owner is named.")
    ] = False,
) -> None:
    """Make a session of every line: {owner, platform, storage_state or cookies, proxy_url?, user_agent?}.

    A bad line stops none of the others. Exit code 1 when one was refused.
    """
    cli = here(context)
    reading = Reading(platform=platform, owner_from_name=owner_from_name)
    outcomes = list(_outcomes(cli, files, reading))
    counts = Counter(each.outcome for each in outcomes)
    totals = {name: counts[name] for name in ("imported", "exists", "refused")}
    if cli.screen.as_json:
        cli.screen.document({**totals, "lines": outcomes})
    else:
        columns = [Column("line"), Column("owner"), Column("platform", 1), Column("outcome"), Column("detail", 2)]
        rows = [(each.where, each.owner, each.platform, each.outcome, each.detail) for each in outcomes]
        cli.screen.table(columns, rows, empty="There is nothing to import.")
        cli.screen.say(", ".join(f"{count} {name}" for name, count in totals.items()) + ".")
    if counts["refused"]:
        raise typer.Exit(Code.FAILED)


def _outcomes(cli: Cli, files: list[Path], reading: Reading) -> Iterator[Outcome]:
    with cli.screen.err.status("Importing …") as status:
        for path in files:
            for number, entry in enumerate(entries(path, reading), 1):
                status.update(f"Importing … {number}")
                yield _imported(cli, entry)


def _imported(cli: Cli, entry: Entry) -> Outcome:
    def became(outcome: str, *, session_id: str = "", detail: str = "") -> Outcome:
        return Outcome(
            where=entry.where,
            owner=entry.owner,
            platform=entry.platform,
            outcome=outcome,
            session_id=session_id,
            detail=detail,
        )

    if entry.why_not:
        return became("refused", detail=entry.why_not)
    try:
        session = cli.client.sessions.create(entry.owner, entry.platform, **entry.rest)
    except PosadaProblem as problem:
        if problem.status in _FOR_ALL:
            raise
        if problem.code == "session_exists":
            return became("exists", session_id=str(problem.extra.get("session_id", "")))
        return became("refused", detail=f"{problem.detail or problem.title} ({problem.code})")
    return became("imported", session_id=session.id)
