"""A job's way to its end, live on a terminal and as a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from posada_client.cli.asking import Needs
from posada_client.cli.context import Cli
from posada_client.cli.screen import printable
from posada_client.errors import UnreachableError
from posada_client.models import Job

_SAID = {
    "queued": "is queued",
    "running": "is running",
    "needs_user": "waits for you",
    "succeeded": "has succeeded",
    "failed": "has failed",
    "cancelled": "was cancelled",
}


def wait_showing(cli: Cli, job: Job, timeout: float | None = None) -> Job:
    """The job when it has ended; its progress is shown on stderr meanwhile, and what it needs is asked for."""
    if not cli.screen.err.is_terminal:
        return cli.client.jobs.wait(job.id, _in_lines(cli), timeout=timeout)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=cli.screen.err) as bar:
        task = bar.add_task(job.kind, total=None, count="")
        return cli.client.jobs.wait(job.id, _on_bar(cli, bar, task), timeout=timeout)


def _on_bar(cli: Cli, bar: Progress, task: TaskID) -> Callable[[Job], None]:
    needs = Needs(cli)

    def move(job: Job) -> None:
        done, total = _ends_of(job)
        note = f" · {job.progress.note}" if job.progress.note else ""
        bar.update(
            task,
            description=printable(f"{job.kind} {job.state}"),
            total=total,
            completed=done,
            count=printable(_count(job) + note),
        )
        if need := needs.new(job):
            bar.stop()  # nothing may be drawn over what is being typed
            needs.meet(job, need)
            bar.start()

    return move


def _in_lines(cli: Cli) -> Callable[[Job], None]:
    said: list[str] = []
    needs = Needs(cli)

    def move(job: Job) -> None:
        if job.state not in said:
            said.append(job.state)
            cli.screen.say(f"Job {job.id} {_SAID.get(job.state, job.state)}.")
        if need := needs.new(job):
            needs.meet(job, need)

    return move


def _ends_of(job: Job) -> tuple[int, int | None]:
    """Done and total for the bar: a job that has ended well is full, whatever was announced."""
    if job.state == "succeeded":
        done = max(job.records or job.progress.done, 1)
        return done, done
    return job.progress.done, job.progress.total


def _count(job: Job) -> str:
    if job.state == "succeeded" and job.records is not None:
        return f"{job.records} records"
    total = "" if job.progress.total is None else f"/{job.progress.total}"
    return f"{job.progress.done}{total} records"


def where_it_goes_on(error: BaseException, job: Job) -> str:
    """What to say when the waiting is over, but the job is not."""
    why = "The connection is lost" if isinstance(error, UnreachableError) else "No longer waiting"
    return f"{why}; the job goes on. `posada jobs wait {job.id}` waits again, `posada jobs cancel {job.id}` ends it."
