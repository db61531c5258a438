"""The job's state machine: given what has happened, when a command comes, then these events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from posada_contracts.job import JobError, Progress, RequestJob
from posada_contracts.session import Evidence
from posada_contracts.vault import Sealed
from posada_scraper.domain import Job
from posada_scraper.views import view_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEALED = Sealed(name="t/s/result-j/1", digest="ab", size=3)
ERROR = JobError(code="site_unavailable", detail="it kept failing")
REQUEST = RequestJob(tenant="acme", job_id="j1", session_id="s1", kind="friends", target="Lucia", params={"a": 1})

Step = Callable[[Job], None]


def requested(*steps: Step) -> Job:
    job = Job.request(REQUEST, "facebook", "lucia", NOW)
    for step in steps:
        step(job)
    return job


def start(attempt: int = 1) -> Step:
    return lambda job: job.start("worker-1", attempt, NOW)


def report(attempt: int, done: int) -> Step:
    return lambda job: job.report(attempt, Progress(done=done, total=9, note="page"), NOW)


def succeed(attempt: int) -> Step:
    return lambda job: job.succeed(attempt, SEALED, 9, NOW)


def fail(attempt: int) -> Step:
    return lambda job: job.fail(attempt, ERROR, Evidence(url="http://x/"), NOW)


def cancel() -> Step:
    return lambda job: job.cancel(NOW)


def said(job: Job) -> list[str]:
    return [type(event).__name__ for event in job.collect_events()]


def test_a_request_is_queued_with_what_it_asks() -> None:
    job = requested()
    assert (job.state, job.target, job.params, job.attempt) == ("queued", "lucia", {"a": 1}, 0)
    assert (job.requested_at, job.started_at, job.finished_at) == (NOW, None, None)


def test_a_whole_life() -> None:
    job = requested(start(), report(1, 3), report(1, 9), succeed(1))
    assert said(job) == ["JobRequested", "JobStarted", "JobProgressed", "JobProgressed", "JobSucceeded"]
    assert (job.state, job.result, job.records, job.progress.done) == ("succeeded", SEALED, 9, 9)


def test_the_same_progress_makes_no_event() -> None:
    assert said(requested(start(), report(1, 3), report(1, 3))) == ["JobRequested", "JobStarted", "JobProgressed"]


def test_after_a_cancel_late_progress_and_success_are_refused_silently() -> None:
    job = requested(start(), cancel(), report(1, 3), succeed(1), fail(1), cancel())
    assert said(job) == ["JobRequested", "JobStarted", "JobCancelled"]
    assert not job.is_run_by(1)


def test_an_attempt_that_was_overtaken_says_nothing_more() -> None:
    job = requested(start(1), start(2), report(1, 3), succeed(1), fail(1), report(2, 4))
    assert said(job) == ["JobRequested", "JobStarted", "JobStarted", "JobProgressed"]
    assert job.is_run_by(2)


def test_an_attempt_that_is_not_later_does_not_take_over() -> None:
    assert said(requested(start(2), start(2), start(1))) == ["JobRequested", "JobStarted"]


def test_a_queued_job_can_fail_or_be_cancelled_but_not_succeed() -> None:
    assert requested(succeed(0)).state == "queued"
    assert requested(fail(6)).state == "failed"
    assert requested(cancel()).state == "cancelled"


def test_a_failure_carries_its_code() -> None:
    job = requested(start(), fail(1))
    assert job.error == ERROR
    assert view_of(job).error == ERROR


attempts = st.integers(0, 4)
steps = st.one_of(
    st.builds(start, attempts),
    st.builds(report, attempts, st.integers(0, 5)),
    st.builds(succeed, attempts),
    st.builds(fail, attempts),
    st.builds(cancel),
)


def facts(job: Job) -> dict[str, Any]:
    return {**{each.name: getattr(job, each.name) for each in fields(cast("Any", job))}, "version": job.version}


@given(st.lists(steps, max_size=30))
def test_no_sequence_of_commands_breaks_it(commands: list[Step]) -> None:
    job = requested()
    events: list[Any] = list(job.collect_events())
    for command in commands:
        was_ended, before = job.ended, facts(job)
        command(job)
        new = job.collect_events()
        assert len(new) <= 1, "one command makes one event at most"
        if was_ended:
            assert new == [], "ended is ended"
        if not new:
            assert facts(job) == before
        assert job.attempt >= before["attempt"]
        assert (job.finished_at is not None) == job.ended
        assert (job.result is not None) == (job.state == "succeeded")
        events += new
    replayed = None
    for event in events:
        replayed = event.mutate(replayed)
    assert replayed is not None
    assert facts(replayed) == facts(job)
    assert view_of(replayed) == view_of(job)


def test_time_comes_from_outside() -> None:
    later = NOW + timedelta(hours=1)
    job = requested()
    job.start("w", 1, later)
    assert job.started_at == later
