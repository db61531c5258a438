"""Jobs: asked for, followed until they end, and their records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from posada_client.decode import decode
from posada_client.errors import UnexpectedAnswerError, UnreachableError, WaitTimeoutError
from posada_client.follow import Follower, Manner
from posada_client.models import Event, Job, Need, Progress
from posada_client.transport import Ask, Transport, segment

MEDIA_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv"}
#: Seconds without a word from the stream after which the job itself is asked for.
_SILENCE = 20.0
#: Seconds between looks at a job whose end is in the log, but not yet in what reads from it.
_SETTLING = 0.1


class Jobs:
    """`client.jobs`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        kind: str,
        *,
        session_id: str | None = None,
        owner: str | None = None,
        platform: str | None = None,
        target: str = "",
        params: Mapping[str, Any] | None = None,
        wait_seconds: int = 0,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue work on a session, named by its id or by owner and platform.

        `wait_seconds` lets the server hold the answer until the job has ended, at most so long.
        """
        session = {"session_id": session_id, "owner": owner, "platform": platform}
        body: dict[str, Any] = {name: value for name, value in session.items() if value is not None}
        body |= {"kind": kind, "target": target, "params": dict(params or {})}
        headers = {"Prefer": f"wait={wait_seconds}"} if wait_seconds else {}
        timeout = self._transport.timeout + wait_seconds
        ask = Ask.making("/v1/jobs", body, key=idempotency_key, headers=headers, timeout=timeout)
        return decode(Job, self._transport.json(ask))

    def get(self, job_id: str) -> Job:
        """One job as it is now."""
        return decode(Job, self._transport.json(Ask(path=_at(job_id), repeat=True)))

    def list(
        self, *, session_id: str | None = None, state: str | None = None, page_size: int | None = None
    ) -> Iterator[Job]:
        """Every job that matches, newest first, page after page."""
        query = {"session_id": session_id, "state": state, "limit": page_size}
        return (decode(Job, item) for item in self._transport.pages("/v1/jobs", query))

    def cancel(self, job_id: str) -> Job:
        """Call a job off. One that has ended stays as it ended."""
        answer = self._transport.json(Ask(method="DELETE", path=_at(job_id), repeat=True))
        return decode(Job, answer) if answer else self.get(job_id)

    def give_input(self, job_id: str, given: Mapping[str, str]) -> Job:
        """Give a job in the state `needs_user` what it waits for, such as `{"mfa_code": "123456"}`; it goes on.

        Raises:
            PosadaProblem: `conflict` when it waits for nothing, or for something else.
        """
        return decode(Job, self._transport.json(Ask.making(f"{_at(job_id)}/input", dict(given))))

    def result(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The records of a job that has succeeded, one at a time, however many there are."""
        for line in self._lines(job_id):
            yield _record(line)

    def download(self, job_id: str, media: str, write: Callable[[bytes], object]) -> None:
        """Hand the records to `write`, piece by piece, as `json`, `ndjson` or `csv`."""
        with self._transport.stream(self._result(job_id, media)) as response:
            for piece in response.iter_bytes():
                write(piece)

    def events(self, job_id: str, *, after: int = 0, manner: Manner | None = None) -> Iterator[Event]:
        """What happens to a job, from its beginning until it has ended."""
        for event in Follower(self._transport, f"{_at(job_id)}/events", after=after, manner=manner).events():
            yield event
            if _ends(event):
                return

    def wait(
        self,
        job_id: str,
        on_progress: Callable[[Job], None] | None = None,
        *,
        timeout: float | None = None,
        patience: float = 60.0,
    ) -> Job:
        """The job when it has ended, however it ended; `on_progress` sees it at every step.

        A broken connection is made again and goes on after the last event seen. Times are in seconds.

        Raises:
            WaitTimeoutError: it has not ended within `timeout`. It goes on.
            UnreachableError: no connection for longer than `patience`.
        """
        return _Waiting(self, self._transport, on_progress or _unseen, timeout).until_finished(job_id, patience)

    def _result(self, job_id: str, media: str) -> Ask:
        return Ask(path=f"{_at(job_id)}/result", headers={"Accept": MEDIA_TYPES[media]})

    def _lines(self, job_id: str) -> Iterator[str]:
        with self._transport.stream(self._result(job_id, "ndjson")) as response:
            rest = ""
            for text in response.iter_text():
                *lines, rest = (rest + text).split("\n")
                yield from (line for line in lines if line.strip())
            if rest.strip():
                yield rest


class _Waiting:
    """One wait for one job."""

    def __init__(
        self, jobs: Jobs, transport: Transport, on_progress: Callable[[Job], None], timeout: float | None
    ) -> None:
        self._jobs, self._transport, self._on_progress = jobs, transport, on_progress
        self._job: Job
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._silence = _SILENCE if timeout is None else min(_SILENCE, max(timeout, 1.0))

    def until_finished(self, job_id: str, patience: float) -> Job:
        self._look(job_id)
        manner = Manner(patience=patience, silence=self._silence, on_data=self._check)
        follower = Follower(self._transport, f"{_at(job_id)}/events", after=0, manner=manner)
        if not self._job.finished:
            for event in follower.events(finished=lambda: self._look(job_id).finished):
                if _ends(event):
                    break
                self._take(event)
        self._settle(job_id, patience)
        return self._job

    def _settle(self, job_id: str, patience: float) -> None:
        """Look until the job shows the end that its events have told of already."""
        answered_at = time.monotonic()
        while not self._job.finished:
            try:
                self._look(job_id)
                answered_at = time.monotonic()
            except UnreachableError:
                if time.monotonic() - answered_at > patience:
                    raise
            if not self._job.finished:
                time.sleep(_SETTLING)

    def _look(self, job_id: str) -> Job:
        self._check()
        self._job = self._jobs.get(job_id)
        self._on_progress(self._job)
        return self._job

    def _take(self, event: Event) -> None:
        """Move on with an event; one that the job as it was last seen has in it already would lead back."""
        if event.version > self._job.version:
            self._job = _moved(self._job, event)
            self._on_progress(self._job)

    def _check(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise WaitTimeoutError(str(WaitTimeoutError.__doc__))


def _moved(job: Job, event: Event) -> Job:
    """The job after an event that does not end it."""
    job = replace(job, version=event.version, needs=None)
    if event.is_a("job.needs_user"):
        return replace(job, state="needs_user", needs=decode(Need, event.data))
    if event.is_a("job.progressed"):
        return replace(job, state="running", progress=decode(Progress, event.data))
    if event.is_a("job.input_given"):
        return replace(job, state="running")
    if event.is_a("job.started"):
        return replace(job, state="running", attempt=int(event.data.get("attempt") or job.attempt))
    return job


def _ends(event: Event) -> bool:
    return any(event.is_a(f"job.{end}") for end in ("succeeded", "failed", "cancelled"))


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UnexpectedAnswerError("a record of the result is not JSON") from error
    if not isinstance(record, dict):
        raise UnexpectedAnswerError("a record of the result is not an object")
    return record


def _unseen(_: Job) -> None:
    return None


def _at(job_id: str) -> str:
    return f"/v1/jobs/{segment(job_id)}"
