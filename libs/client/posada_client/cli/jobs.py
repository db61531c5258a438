"""`posada jobs`: run, watched, listed, cancelled; and their records."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Annotated, Literal, TypedDict

import typer

from posada_client.cli.asking import typed_or_piped
from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli, here
from posada_client.cli.files import Output, save
from posada_client.cli.progress import wait_showing, where_it_goes_on
from posada_client.cli.screen import Column
from posada_client.cli.values import LARGEST_PAGE, params
from posada_client.errors import UnreachableError, WaitTimeoutError
from posada_client.models import Job

app = typer.Typer(no_args_is_help=True, help="Jobs: long pieces of work on a session, and their records.")

COLUMNS = [
    Column("id"),
    Column("kind"),
    Column("state"),
    Column("done", 1, right=True),
    Column("total", 3, right=True),
    Column("platform", 2),
    Column("target", 4),
    Column("created", 5),
]
#: Records and characters of a cell that the head of a result shows.
HEAD, CELL = 10, 40

Id = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it has ended.")]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most; the job goes on.")]


@app.command()
def run(
    context: typer.Context,
    *,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as profile or friends.")],
    target: Annotated[str, typer.Argument(metavar="[TARGET]", help="What to work on, such as a URL.")] = "",
    session: Annotated[str, typer.Option(metavar="ID", help="The session to work with.")] = "",
    owner: Annotated[str, typer.Option(help="Or its owner, together with --platform.")] = "",
    platform: Annotated[str, typer.Option(help="Or its platform, together with --owner.")] = "",
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="May be given more than once.")] = None,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Run a job on a session and show how far it is. Exit code 1 when it does not succeed."""
    cli = here(context)
    named = session_named(session, owner, platform)
    job = cli.client.jobs.create(kind, **named, target=target, params=params(param or []))
    if wait:
        job = wait_for(cli, job, timeout)
    present(cli, job, head=wait)
    if wait and job.state != "succeeded":
        raise typer.Exit(Code.FAILED)


@app.command("wait")
def wait_(
    context: typer.Context,
    job_id: Id,
    timeout: Timeout = None,
) -> None:
    """Wait for a job that runs already. Exit code 1 when it does not succeed."""
    cli = here(context)
    job = wait_for(cli, cli.client.jobs.get(job_id), timeout)
    present(cli, job, head=True)
    if job.state != "succeeded":
        raise typer.Exit(Code.FAILED)


@app.command("ls")
def list_(
    context: typer.Context,
    session: Annotated[str, typer.Option(metavar="ID", help="Only this session's.")] = "",
    state: Annotated[str, typer.Option(help="queued, running, needs_user, succeeded, failed or cancelled.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """List jobs, newest first."""
    cli = here(context)
    size = LARGEST_PAGE if everything else min(limit, LARGEST_PAGE)
    found = cli.client.jobs.list(session_id=session or None, state=state or None, page_size=size)
    jobs = list(islice(found, None if everything else limit))
    if cli.screen.as_json:
        return cli.screen.document(jobs)
    return cli.screen.table(COLUMNS, [_row(job) for job in jobs], empty="No jobs.")


@app.command()
def show(context: typer.Context, job_id: Id) -> None:
    """Show one job."""
    cli = here(context)
    present(cli, cli.client.jobs.get(job_id), head=False)


@app.command()
def cancel(context: typer.Context, job_id: Id) -> None:
    """Call a job off. One that has ended stays as it ended."""
    cli = here(context)
    present(cli, cli.client.jobs.cancel(job_id), head=False)


@app.command("input")
def input_(
    context: typer.Context,
    job_id: Id,
    given: Annotated[str, typer.Argument(metavar="[NAME[=VALUE]]", help="Such as mfa_code=123456.")] = "",
) -> None:
    """Give a job what it waits for; it goes on.

    Without a value it is asked for and not shown, or read from stdin; without a name it is what the job waits for.
    """
    cli = here(context)
    name, _, value = given.partition("=")
    name = name or _needed(cli, job_id)
    present(cli, cli.client.jobs.give_input(job_id, {name: value or typed_or_piped(name)}), head=False)


@app.command()
def result(
    context: typer.Context,
    job_id: Id,
    media: Annotated[
        Literal["json", "ndjson", "csv"] | None, typer.Option("--format", help="How to write them.")
    ] = None,
    output: Output = None,
) -> None:
    """Write a job's records; as a table on a terminal, as JSON elsewhere."""
    cli = here(context)
    if media is None and output is None and not cli.screen.as_json and sys.stdout.isatty():
        return show_records(cli, job_id, None)
    chosen = media or "json"
    if output is None:
        return cli.client.jobs.download(job_id, chosen, sys.stdout.buffer.write)
    save(output, lambda write: cli.client.jobs.download(job_id, chosen, write))
    return cli.screen.document({"file": str(output)}) if cli.screen.as_json else cli.screen.say(f"Written to {output}.")


class Named(TypedDict, total=False):
    """A session as the API wants it named: by its id, or by owner and platform."""

    session_id: str
    owner: str
    platform: str


def session_named(session: str, owner: str, platform: str) -> Named:
    """The session that the options name. Raises CommandError unless they do so in exactly one way."""
    if session and not owner and not platform:
        return {"session_id": session}
    if owner and platform and not session:
        return {"owner": owner, "platform": platform}
    raise CommandError(Code.USAGE, "Name the session: --session ID, or --owner OWNER --platform PLATFORM.")


def wait_for(cli: Cli, job: Job, timeout: float | None) -> Job:
    """The job when it has ended. Whoever stops waiting is told how to go on."""
    try:
        return wait_showing(cli, job, timeout)
    except (KeyboardInterrupt, UnreachableError, WaitTimeoutError) as error:
        cli.screen.say(where_it_goes_on(error, job))
        raise


def present(cli: Cli, job: Job, *, head: bool) -> None:
    """One job, and the first of its records where it has some."""
    if cli.screen.as_json:
        return cli.screen.document(job)
    fields = [("id", job.id), ("session", job.session_id), ("kind", job.kind), ("target", job.target)]
    cli.screen.pairs([*fields, ("state", job.state), ("records", job.records), *_course(job)])
    if head and job.state == "succeeded" and job.records != 0:
        cli.screen.out.print()
        show_records(cli, job.id, HEAD)
        if job.records and job.records > HEAD:
            cli.screen.say(f"… of {job.records}: `posada jobs result {job.id}` has all of them.", "dim")
    return None


def show_records(cli: Cli, job_id: str, limit: int | None) -> None:
    """Records as a table; every member that one of them has is a column, the first ones stay longest."""
    records = list(islice(cli.client.jobs.result(job_id), limit))
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [Column(name, rank) for rank, name in enumerate(names)]
    rows = [[_cut(record.get(name)) for name in names] for record in records]
    cli.screen.table(columns, rows, empty="No records.")


def _needed(cli: Cli, job_id: str) -> str:
    """The name of what a job waits for. Raises CommandError when it waits for nothing."""
    job = cli.client.jobs.get(job_id)
    if job.needs is None:
        raise CommandError(Code.CONFLICT, f"The job is {job.state} and waits for nothing.")
    cli.screen.say(job.needs.detail)
    return job.needs.what


def _course(job: Job) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("attempt", job.attempt), ("created", job.created_at)]
    fields += [("started", job.started_at), ("finished", job.finished_at)]
    if not job.finished:
        of = "" if job.progress.total is None else f" of {job.progress.total}"
        fields.append(("progress", f"{job.progress.done}{of} {job.progress.note}".rstrip()))
    if job.needs is not None:
        fields += [("waits for", job.needs.what), ("because", job.needs.detail), ("until", job.needs.until)]
    if job.error is not None:
        fields += [("failed with", job.error.code), ("because", job.error.detail), ("verdict", job.error.verdict)]
    return fields


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > CELL:
        return f"{value[: CELL - 1]}…"
    return value


def _row(job: Job) -> list[object]:
    done = job.records if job.records is not None else job.progress.done
    return [job.id, job.kind, job.state, done, job.progress.total, job.platform, job.target, job.created_at]
