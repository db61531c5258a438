"""What a small gateway for tests knows, and how it is to misbehave."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class House:
    """What the gateway knows, and how it is to misbehave."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)
    verdict: str = "valid"
    health: str = "ok"
    tables_equal: bool = True
    faults: list[dict[str, Any]] = field(default_factory=list)
    selectors_ok: bool = True
    refuse_next: int = 0  #: so many requests are answered 503
    retry_after: str = "0"
    cut_answers: int = 0  #: so many POSTs are done, and their connection is cut before the answer
    cut_streams_after: list[int] = field(default_factory=list)  #: each stream is cut behind so many events
    heartbeat: float = 0.05
    on_job: Callable[[str], None] = lambda _: None
    positions: list[int] = field(default_factory=list)  #: in the queue, one for each request until a browser is open
    queue_full: bool = False
    open: set[str] = field(default_factory=set)  #: sessions with a browser
    downloads: dict[str, bytes] = field(default_factory=dict)  #: by the id of the artifact
    runners: list[dict[str, Any]] = field(default_factory=list)
    code: str = ""  #: that a login form wants; none: the password is enough
    tokens: dict[str, str] = field(default_factory=dict)  #: by session
    links: dict[str, dict[str, Any]] = field(default_factory=dict)  #: by session
    on_link: Callable[[str], None] = lambda _: None
    grown: threading.Condition = field(default_factory=threading.Condition)

    def append(self, type_: str, subject: str, **data: Any) -> None:
        """Put one event at the end of the log."""
        with self.grown:
            about = [event for event in self.log if event["subject_id"] == subject]
            self.log.append(
                {
                    "sequence": len(self.log) + 1,
                    "type": type_,
                    "subject_id": subject,
                    "version": len(about) + 1,
                    "time": "2026-05-04T12:00:00Z",
                    "actor": "key:test",
                    "trace_id": "0" * 32,
                    "data": data,
                }
            )
            self.grown.notify_all()

    def after(self, last: int) -> list[dict[str, Any]]:
        """The events behind a position, as soon as there are some; none when a heartbeat is due."""
        with self.grown:
            self.grown.wait_for(lambda: len(self.log) > last, self.heartbeat)
            return [event for event in self.log if event["sequence"] > last]

    def asked(self, method: str, path: str) -> list[Seen]:
        """The requests that came for an address."""
        return [each for each in self.seen if each.method == method and each.path == path]

    def new_session(self, owner: str, platform: str, **members: Any) -> dict[str, Any]:
        """Make a session, as POST does."""
        session = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{owner}/{platform}")),
            "tenant": "default",
            "owner": owner,
            "platform": platform,
            "status": "created",
            "browser": "none",
            "priority": members.get("priority", "normal"),
            "has_credentials": "storage_state" in members,
            "proxy_url": members.get("proxy_url"),
            "user_agent": members.get("user_agent"),
            "labels": members.get("labels", {}),
            "created_at": "2026-05-04T12:00:00Z",
            "last_activity_at": "2026-05-04T12:30:00.5Z",
            "validated_at": None,
            "version": 1,
            "added_by_a_newer_server": {"anything": 1},
        }
        self.sessions[session["id"]] = session
        self.append("session.created.v1", session["id"], owner=owner, platform=platform)
        return session

    def new_job(self, session_id: str, kind: str = "friends", **members: Any) -> dict[str, Any]:
        """Queue a job, as POST does."""
        job = {
            "id": str(uuid.uuid4()),
            "session_id": session_id,
            "platform": "facebook",
            "kind": kind,
            "target": members.get("target", ""),
            "params": members.get("params", {}),
            "state": "queued",
            "progress": {"done": 0, "total": None, "note": ""},
            "attempt": 0,
            "error": None,
            "records": None,
            "created_at": "2026-05-04T12:00:00Z",
            "started_at": None,
            "finished_at": None,
            "version": 1,
        }
        self.jobs[job["id"]] = job
        self.append("job.requested.v1", job["id"], kind=kind)
        self.on_job(job["id"])
        return job

    def progress(self, job_id: str, done: int, total: int | None = None, note: str = "") -> None:
        """A worker tells how far it is."""
        version = self.jobs[job_id]["version"] + 1
        progress = {"done": done, "total": total, "note": note}
        self.jobs[job_id].update(state="running", progress=progress, version=version)
        self.append("job.progressed.v1", job_id, done=done, total=total, note=note)

    def need(self, job_id: str, detail: str = "The code was sent by SMS.") -> None:
        """A worker asks for a code."""
        need = {"what": "mfa_code", "detail": detail, "until": "2026-05-04T12:05:00Z"}
        version = self.jobs[job_id]["version"] + 1
        self.jobs[job_id].update(state="needs_user", needs=need, version=version)
        self.append("job.needs_user.v1", job_id, **need)

    def given(self, job_id: str, code: str) -> None:
        """The code that a worker has asked for: the right one ends the job well, another is asked for anew."""
        version = self.jobs[job_id]["version"] + 1
        self.jobs[job_id].update(state="running", needs=None, version=version)
        self.append("job.input_given.v1", job_id)
        if code != self.code:
            return self.need(job_id, "That code was wrong.")
        self.tokens[self.jobs[job_id]["session_id"]] = "eyJ.t0ken.x"
        return self.finish(job_id)

    def link(self, session_id: str, state: str, qr: str = "", detail: str = "") -> None:
        """The page of a link shows something else."""
        at = "2026-05-04T12:00:00Z"
        self.links[session_id] = {"state": state, "qr": qr, "detail": detail, "changed_at": at}

    def finish(self, job_id: str, state: str = "succeeded", **error: str) -> None:
        """A worker ends a job."""
        records = len(self.records) if state == "succeeded" else None
        self.jobs[job_id].update(state=state, records=records, error=error or None, finished_at="2026-05-04T12:01:00Z")
        self.jobs[job_id]["version"] += 1
        self.append(f"job.{state}.v1", job_id, **error)

    def work(self, job_id: str, steps: int = 5, pause: float = 0.02, end: str = "succeeded", **error: str) -> None:
        """A worker in the background that does a job in so many steps."""

        def run() -> None:
            for done in range(1, steps + 1):
                time.sleep(pause)
                self.progress(job_id, done * 10, steps * 10 if done > 1 else None, "page")
            self.finish(job_id, end, **error)

        threading.Thread(target=run, daemon=True).start()
