"""`posada stats`: the house in numbers, its browsers one by one."""

from __future__ import annotations

import typer

from posada_client.cli.context import Cli, here
from posada_client.cli.screen import Column
from posada_client.models import Runner, Stats, Usage

RUNNERS = [Column("runner"), Column("open", right=True), Column("max", right=True), Column("warm", right=True)]
RUNNERS += [Column("queued", right=True), Column("memory", 1, right=True)]
BROWSERS = [Column("session"), Column("memory", right=True), Column("cpu", right=True), Column("processes", right=True)]
BROWSERS += [Column("clients", 1, right=True), Column("idle", 2, right=True), Column("runner", 3)]


def stats(context: typer.Context) -> None:
    """Show the house in numbers: sessions, jobs, the pool of browsers and what each of them takes."""
    cli = here(context)
    numbers = cli.client.stats()
    if cli.screen.as_json:
        return cli.screen.document(numbers)
    browsers = f"{numbers.browsers} of {numbers.max_browsers}"
    lag = numbers.logged - numbers.projected
    log = f"{numbers.logged} events, read models {f'{lag} behind' if lag > 0 else 'up to date'}"
    pairs: list[tuple[str, object]] = [("sessions", numbers.sessions), ("jobs", numbers.jobs)]
    cli.screen.pairs([*pairs, ("queue", numbers.queue), ("browsers", browsers), ("event log", log)])
    return _show_pool(cli, numbers)


def _show_pool(cli: Cli, numbers: Stats) -> None:
    if numbers.runners:
        cli.screen.out.print()
        cli.screen.table(RUNNERS, [_runner_row(runner) for runner in numbers.runners], empty="No runners.")
    rows = [_browser_row(runner, use) for runner in numbers.runners for use in runner.browsers]
    if rows:
        cli.screen.out.print()
        cli.screen.table(BROWSERS, rows, empty="No browsers.")


def _runner_row(runner: Runner) -> list[object]:
    memory = sum(use.memory_bytes for use in runner.browsers)
    return [runner.runner, len(runner.browsers), runner.max_browsers, runner.warm, runner.queued, _mebibytes(memory)]


def _browser_row(runner: Runner, use: Usage) -> list[object]:
    idle = f"{use.idle_seconds:.0f} s" if use.idle_seconds else None
    cpu = f"{use.cpu_seconds:.1f} s"
    return [use.session_id, _mebibytes(use.memory_bytes), cpu, use.processes, use.clients, idle, runner.runner]


def _mebibytes(number: int) -> str:
    return f"{number / 2**20:.0f} MiB"
