"""The tour: the main job on the whole platform, seen live in the terminal.

Three analysts' logins, checked early; the valid one's scrape, through a browser that is killed on the way; and the
read models dropped, replayed from the log and shown equal.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from posada_client import PosadaClient
from posada_client.models import Job, Session
from posada_runtime.processes import find_marked
from posada_runtime.settings import CommonSettings
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

ANALYSTS = {"ana": False, "bruno": True, "carla": False}
"""Whether the stored login is handed out expired; carla's account is locked by the site itself."""

TARGET = "lucia.fernandez"
KILL_AFTER = 100
"""Records after which the browser is killed."""

console = Console()


class Tour:
    """The steps, in order; each prints what it saw."""

    def __init__(self, run: dict[str, Any], data: Path) -> None:
        self._run, self._data = run, data
        key = Path(run["admin_key_file"]).read_text().strip()
        self._posada = PosadaClient(run["gateway_url"], key, timeout=60)
        self._failures: list[str] = []

    def take(self) -> int:
        """The whole tour. Returns how many things did not go as they should."""
        with self._posada:
            sessions = self._create()
            self._check(sessions)
            self._stop_early(sessions)
            self._scrape(sessions["ana"])
            self._story(sessions["ana"])
            self._replay()
        return len(self._failures)

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._failures.append(what)
            console.print(f"[bold red]✗ {what}[/]")

    def _create(self) -> dict[str, Session]:
        _title("1", "Three analysts, each with a session from a stored login")
        table = Table("owner", "session", "status", "login")
        sessions = {}
        for owner, expired in ANALYSTS.items():
            login = self._login(owner, expired)
            if (earlier := self._posada.sessions.find(owner, "facebook")) is not None:
                self._posada.sessions.delete(earlier.id)  # from the tour before this one
            session = self._posada.sessions.create(owner, "facebook", storage_state=login, labels={"tour": "yes"})
            table.add_row(owner, session.id, session.status, "sealed" if session.has_credentials else "–")
            sessions[owner] = session
        console.print(table)
        return sessions

    def _login(self, owner: str, expired: bool) -> dict[str, Any]:
        """A login as a person would export it from the look-alike site."""
        answer = httpx.post(
            f"{self._run['playground_url']}/control/login",
            json={"email": f"{owner}@example.test", "expired": expired},
            headers={"Authorization": f"Bearer {self._run['playground_key']}"},
            timeout=10,
        )
        answer.raise_for_status()
        state: dict[str, Any] = answer.json()
        return state

    def _check(self, sessions: dict[str, Session]) -> None:
        _title("2", "Each login is checked early, before anything is scraped")
        table = Table("owner", "verdict", "by", "took", "what was seen")
        colours = {"valid": "green", "expired": "yellow", "banned": "red"}
        for owner, verdict in zip(sessions, ("valid", "expired", "banned"), strict=True):
            check = self._posada.sessions.validate(sessions[owner].id)
            shown = f"[{colours.get(check.verdict, 'white')}]{check.verdict}[/]"
            table.add_row(owner, shown, check.probe, f"{check.took_ms} ms", check.evidence.detail)
            self._expect(check.verdict == verdict, f"{owner}'s login should be {verdict}, not {check.verdict}")
        console.print(table)

    def _stop_early(self, sessions: dict[str, Session]) -> None:
        _title("3", "A scrape on a login that does not work stops at once, and says why")
        table = Table("owner", "job", "stopped after", "reason")
        for owner in ("bruno", "carla"):
            began = time.monotonic()
            job = self._posada.jobs.create(session_id=sessions[owner].id, kind="profile_and_friends", target=TARGET)
            job = self._posada.jobs.wait(job.id)
            took = time.monotonic() - began
            reason = job.error.detail if job.error else "–"
            table.add_row(owner, job.state, f"{took:.2f} s", reason)
            self._expect(job.state == "failed" and took < 3, f"{owner}'s job should have failed within 3 s")
        console.print(table)

    def _scrape(self, session: Session) -> None:
        _title("4", f"Profile and all friends of {TARGET}; its browser is killed on the way")
        job = self._posada.jobs.create(session_id=session.id, kind="profile_and_friends", target=TARGET)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("waiting", total=None)
            killed: list[int] = []

            def show(seen: Job) -> None:
                note = seen.progress.note or seen.state
                bar.update(task, completed=seen.progress.done, total=seen.progress.total, description=note)
                if seen.state == "running" and seen.progress.done >= KILL_AFTER and not killed:
                    killed.append(self._kill_browser(session.id))
                    bar.console.print(f"[red]✂ SIGKILL to Chromium {killed[0]}, in the middle of the job[/]")

            job = self._posada.jobs.wait(job.id, show)
        self._expect(job.state == "succeeded", f"the scrape ended as {job.state}")
        self._expect(bool(killed), "the browser was to be killed on the way, and was not")
        if job.state == "succeeded":
            self._show_result(job)

    def _kill_browser(self, session_id: str) -> int:
        """SIGKILL the session's Chromium: the oldest of the processes that carry the mark of its newest start."""
        house = CommonSettings(data=self._data).house
        starts = [
            event.data["start_id"] for event in self._posada.sessions.events(session_id) if "start_id" in event.data
        ]
        found = [process for process in find_marked(house) if process.mark.start_id == starts[-1]]
        oldest = min(found, key=lambda process: process.create_time)
        os.kill(oldest.pid, signal.SIGKILL)
        return oldest.pid

    def _show_result(self, job: Job) -> None:
        records = list(self._posada.jobs.result(job.id))
        people = [record for record in records if record.get("kind") == "friend"]
        unique = {(record.get("id"), record.get("username")) for record in people}
        profile = next((record for record in records if record.get("kind") == "profile"), {})
        console.print(f"[green]✓[/] {len(records)} records: {profile.get('name')} and {len(people)} friends")
        self._expect(len(unique) == len(people), "a friend was scraped twice")
        self._expect(
            len(people) == profile.get("friends_count"),
            f"{profile.get('friends_count')} friends announced, {len(people)} scraped",
        )

    def _story(self, session: Session) -> None:
        _title("5", "What happened to ana's session, from the event log")
        table = Table("#", "event", "by", "trace")
        for event in self._posada.sessions.events(session.id):
            table.add_row(str(event.sequence), event.type, event.actor, event.trace_id[:8])
        console.print(table)

    def _replay(self) -> None:
        _title("6", "The read models are dropped and replayed from the log")
        report = self._posada.replay(verify=True, from_scratch=True)
        table = Table("read model", "rows before", "rows replayed", "equal")
        for check in report.tables:
            equal = "[green]yes[/]" if check.equal else "[red]no[/]"
            table.add_row(check.table, str(check.rows_live), str(check.rows_replayed), equal)
            self._expect(check.equal, f"{check.table} came out different")
        console.print(table)
        console.print(f"{report.events} events replayed in {report.took_ms} ms")
        audit = self._posada.audit()
        self._expect(not audit.faults, "the audit found faults")
        console.print(f"[green]✓[/] audit: {audit.events} events of {audit.aggregates} aggregates hold together")


def _title(number: str, text: str) -> None:
    console.print()
    console.rule(f"[bold]{number}  {text}", align="left")


@contextmanager
def platform(data: Path) -> Iterator[dict[str, Any]]:
    """The running platform's `run.json`: the one that is up already, or one started for the tour."""
    running = _read_run(data)
    if running is not None:
        console.print(f"Using the platform that runs on {data}")
        yield running
        return
    logs = data / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "onebox.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "posada_onebox"], stdin=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
    try:
        with console.status("Starting NATS, Postgres, five services and the playground …"):
            yield _wait_until_ready(data, process)
    finally:
        process.terminate()
        with console.status("Stopping …"):
            process.wait()


def _wait_until_ready(data: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    while process.poll() is None:
        run = _read_run(data)
        if run is not None and run["pids"]["onebox"] == process.pid:
            return run
        time.sleep(0.05)
    sys.exit(f"The platform did not start; the reason stands at the end of {data / 'logs' / 'onebox.log'}")


def _read_run(data: Path) -> dict[str, Any] | None:
    """`run.json`, when the platform that wrote it still runs and is ready."""
    try:
        run: dict[str, Any] = json.loads((data / "run.json").read_text())
        alive = psutil.Process(run["pids"]["onebox"]).create_time() == run["started_at"]
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
    return run if alive and run["ready"] else None


def _what_next(run: dict[str, Any]) -> None:
    _title("→", "What to look at next")
    console.print(f"REST       {run['gateway_url']}/openapi.json   (key: {run['admin_key_file']})", soft_wrap=True)
    console.print(f"Playground {run['playground_url']}/")
    console.print("CLI        .venv/bin/posada sessions ls    .venv/bin/posada events --follow")
    console.print("           .venv/bin/posada jobs ls        .venv/bin/posada doctor")


def main() -> None:
    """Take the tour; stay up until Ctrl-C unless told `--once`."""
    parser = argparse.ArgumentParser(description="The whole platform and a tour of it.")
    parser.add_argument("--once", action="store_true", help="end after the tour")
    once = parser.parse_args().once
    data = CommonSettings().data.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with platform(data) as run:
        console.print(f"[green]✓[/] the platform is up at {run['gateway_url']} after {time.monotonic() - began:.1f} s")
        failures = Tour(run, data).take()
        if failures:
            console.print(f"\n[bold red]{failures} things did not go as they should; logs: {data / 'logs'}[/]")
            sys.exit(1)
        _what_next(run)
        if not once:
            console.print("\nPosada stays up. Ctrl-C stops it.")
            try:
                signal.pause()
            except KeyboardInterrupt:
                console.print()


if __name__ == "__main__":
    main()
