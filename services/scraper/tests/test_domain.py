"""The job's state machine: given what has happened, when a command comes, then these events."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from posada_contracts.errors import ConflictError
from posada_contracts.job import JobError, Need, Progress, RequestJob
from posada_contracts.session import Evidence
from posada_contracts.vault import Sealed
from posada_scraper.domain import Job
from posada_scraper.views import view_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEALED = Sealed(name="t/s/result-j/1", digest="ab", size=3)
ERROR = JobError(code="site_unavailable", detail="it kept failing")
LATE = JobError(code="input_timeout", detail="nobody gave it")
GIVEN, PASSWORD = (Sealed(name=f"t/s/input-j/{number}", digest="cd", size=3) for number in (1, 2))
NEED = Need(what="mfa_code", detail="a code", until=NOW + timedelta(minutes=5))
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


def ask(attempt: int) -> Step:
    return lambda job: job.ask(attempt, NEED, NOW)


def give(*names: str) -> Step:
    def step(job: Job) -> None:
        with contextlib.suppress(ConflictError):
            job.give(list(names or ("mfa_code",)), GIVEN, NOW)

    return step


def stop_waiting(attempt: int) -> Step:
    return lambda job: job.stop_waiting(attempt, LATE, NOW)


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


def test_a_job_waits_for_a_person_and_goes_on_with_what_was_given() -> None:
    job = requested(start(), ask(1), ask(1))
    assert (job.state, view_of(job).needs, job.is_run_by(1), job.ended) == ("needs_user", NEED, True, False)
    job.give(["mfa_code"], GIVEN, NOW)
    assert (job.state, job.needs, job.inputs, job.is_run_by(1)) == ("running", None, [GIVEN], True)
    assert said(job) == ["JobRequested", "JobStarted", "JobNeedsUser", "JobInputGiven"]


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ([], ["mfa_code"]),
        ([start()], ["mfa_code"]),
        ([start(), ask(1)], ["password"]),
        ([start(), ask(1)], []),
        ([start(), ask(1)], ["mfa_code", "password"]),
        ([start(), ask(1), give()], ["mfa_code"]),
        ([start(), ask(1), start(2)], ["mfa_code"]),
        ([start(), ask(1), cancel()], ["mfa_code"]),
    ],
)
def test_what_a_job_does_not_wait_for_is_refused(steps: list[Step], names: list[str]) -> None:
    job = requested(*steps)
    job.collect_events()
    with pytest.raises(ConflictError):
        job.give(names, GIVEN, NOW)
    assert job.collect_events() == []


def test_a_job_that_nobody_gave_anything_fails_and_one_that_was_just_given_it_goes_on() -> None:
    late = requested(start(), ask(1), stop_waiting(1))
    assert (late.state, late.error, late.needs) == ("failed", LATE, None)
    assert requested(start(), ask(1), give(), stop_waiting(1)).state == "running"


def test_a_later_attempt_begins_anew_and_an_older_one_does_not_ask() -> None:
    job = requested(start(1), ask(1), start(2), ask(1), stop_waiting(1))
    assert (job.state, job.needs, job.is_run_by(2)) == ("running", None, True)


def test_what_was_sealed_for_a_job_is_known_to_it() -> None:
    job = Job.request(REQUEST, "hub", "", NOW, PASSWORD)
    for step in (start(), ask(1), give()):
        step(job)
    assert job.secrets == [PASSWORD, GIVEN]


attempts = st.integers(0, 4)
steps = st.one_of(
    st.builds(start, attempts),
    st.builds(report, attempts, st.integers(0, 5)),
    st.builds(succeed, attempts),
    st.builds(fail, attempts),
    st.builds(cancel),
    st.builds(ask, attempts),
    st.builds(give),
    st.builds(stop_waiting, attempts),
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
        assert (job.needs is not None) == (job.state == "needs_user")
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
