"""Whether a platform's pages still look as its data file says."""

from __future__ import annotations

import typer

from posada_client.cli.codes import Code
from posada_client.cli.context import Cli
from posada_client.cli.jobs import Named, present, wait_for
from posada_client.cli.screen import Column
from posada_client.models import Job

KIND = "doctor"
COLUMNS = [Column("page"), Column("name"), Column("selector", 1), Column("hits", right=True), Column("outcome")]


def check_selectors(cli: Cli, session: Named, target: str) -> None:
    """Run the platform's own check on a session and show what each selector finds.

    Raises:
        typer.Exit: the job did not succeed, or a selector finds nothing.
    """
    job = wait_for(cli, cli.client.jobs.create(KIND, target=target, **session), None)
    if job.state != "succeeded":
        present(cli, job, head=False)
        raise typer.Exit(Code.FAILED)
    if not _shown(cli, job):
        raise typer.Exit(Code.FAILED)


def _shown(cli: Cli, job: Job) -> bool:
    records = list(cli.client.jobs.result(job.id))
    well = all(record.get("ok") for record in records)
    if cli.screen.as_json:
        cli.screen.document({"ok": well, "job": job, "selectors": records})
        return well
    rows = [
        (each.get("page"), each.get("name"), each.get("selector"), each.get("hits"), _outcome(each)) for each in records
    ]
    cli.screen.table(COLUMNS, rows, empty="The platform has no selectors to check.")
    lost = sum(not record.get("ok") for record in records)
    cli.screen.say(f"{lost} of {len(records)} selectors find nothing." if lost else "Every selector finds something.")
    return well


def _outcome(record: dict[str, object]) -> str:
    return "ok" if record.get("ok") else "missing"
