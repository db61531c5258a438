"""Answers as the other services would give them, from memory, over the real bus."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from posada_contracts import access, browser, errors, house, ids, job, session
from posada_contracts.messages import Command, Event
from posada_runtime.eventstore import EventStore, Tail

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Log:
    """Appends events as their owners would."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._tails: dict[tuple[str, str, str], tuple[int, Tail]] = {}

    async def add(self, kind: type[Event], tenant: str, id: str, /, **fields: Any) -> int:
        """One more event of an aggregate; returns its position in the log."""
        place = (tenant, kind.SUBJECT.split(".")[2], id)
        version, tail = self._tails.get(place, (0, Tail()))
        event = kind(originator_id=id, originator_version=version + 1, timestamp=datetime.now(UTC), **fields)
        stored = await self._store.append(event, Command(tenant=tenant, actor="test"), tail)
        self._tails[place] = (version + 1, Tail(stored.sequence, stored.digest))
        return stored.sequence


@dataclass
class Registry:
    """Answers for session-registry, from memory; keys it really writes to the log."""

    log: Log
    sessions: dict[tuple[str, str], session.SessionView] = field(default_factory=dict)
    made_by: dict[str, str] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    pause: float = 0
    secret_told: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    async def create(self, command: session.CreateSession) -> session.SessionView:
        self.heard.append(command)
        await asyncio.sleep(self.pause)
        id_ = ids.session_id(command.tenant, command.owner, command.platform)
        present = self.sessions.get((command.tenant, id_))
        if present is not None and self.made_by[id_] != command.command_id:
            raise errors.SessionExistsError(session_id=id_)
        if present is None:
            present = a_session(command.tenant, command.owner, command.platform)
            self.sessions[command.tenant, id_], self.made_by[id_] = present, command.command_id
            fields = {"tenant": command.tenant, "owner": command.owner, "platform": command.platform}
            await self.log.add(session.SessionCreated, command.tenant, id_, **fields)
        return present

    async def on_session(self, request: Any) -> session.SessionView:
        self.heard.append(request)
        try:
            return self.sessions[request.tenant, request.session_id]
        except KeyError:
            raise errors.NotFoundError from None

    async def page(self, query: session.ListSessions) -> session.SessionPage:
        if query.cursor not in (None, "second"):
            raise errors.BadCursorError
        own = [view for (tenant, _), view in self.sessions.items() if tenant == query.tenant]
        return session.SessionPage(items=[view for view in own if query.owner in (None, view.owner)][: query.limit])

    async def token(self, query: session.GetToken) -> session.TokenView:
        view = await self.on_session(query)
        at = BEGAN if view.id in self.tokens else None
        status: Any = "valid" if view.id in self.tokens else "none"
        return session.TokenView(
            owner=view.owner,
            platform=view.platform,
            session_id=view.id,
            status=status,
            stored_at=at,
            expires_at=None,
        )

    async def read_token(self, command: session.ReadToken) -> session.TokenValue:
        view = await self.on_session(command)
        if view.id not in self.tokens:
            raise errors.TokenExpiredError
        await self.log.add(session.TokenRead, command.tenant, view.id)
        return session.TokenValue(token=self.tokens[view.id], expires_at=None)

    async def counts(self, query: house.GetCounts) -> house.Counts:
        number = sum(tenant == query.tenant for tenant, _ in self.sessions)
        return house.Counts(sessions={"created": number}, jobs={"queued": 2}, projected=7, logged=9)

    async def issue(self, command: access.IssueKey) -> access.NewKey:
        id_, secret = secrets.token_hex(16), secrets.token_urlsafe(32)
        hash_ = hashlib.sha256(secret.encode()).hexdigest()
        said: dict[str, Any] = {"tenant": command.tenant, "role": command.role, "label": command.label}
        await self.log.add(access.KeyIssued, command.tenant, id_, hash=hash_, **said)
        return access.NewKey(
            key=access.KeyView(id=id_, created_at=BEGAN, revoked=False, **said), secret=self.secret_told or secret
        )

    async def revoke(self, command: access.RevokeKey) -> access.KeyView:
        await self.log.add(access.KeyRevoked, command.tenant, command.key_id)
        return access.KeyView(
            id=command.key_id, tenant=command.tenant, role="viewer", label="", created_at=BEGAN, revoked=True
        )

    async def health(self, _: house.RegistryHealth) -> house.Health:
        return house.Health(service="session-registry", checks={"database": house.Probed(status="ok", message="pg")})

    async def replay(self, command: house.ReplayReadModels) -> house.ReplayReport:
        return house.ReplayReport(events=1, sequence=1, took_ms=1, swapped=command.swap, tables=[])


def a_session(tenant: str, owner: str, platform_: str) -> session.SessionView:
    """A session just made."""
    return session.SessionView(
        id=ids.session_id(tenant, owner, platform_),
        tenant=tenant,
        owner=owner,
        platform=platform_,
        status="created",
        browser="none",
        priority="normal",
        has_credentials=False,
        proxy_url=None,
        user_agent=None,
        labels={},
        created_at=BEGAN,
        last_activity_at=BEGAN,
        validated_at=None,
        version=1,
    )


@dataclass
class Scraper:
    """Answers for scraper and browser-runner, from memory; the start of a job it really writes to the log."""

    log: Log
    jobs: dict[tuple[str, str], job.JobView] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    open: list[browser.Usage] = field(default_factory=list)
    healthy: bool = True
    cdp_url: str = ""
    at_it: str = ""  #: the job that is at the login form
    secrets: list[dict[str, str]] = field(default_factory=list)  #: that jobs were given
    places: job.Executor = field(
        default_factory=lambda: job.Executor(workers=2, active=0, queued=0, done=0, failed=0, oldest_seconds=0)
    )

    async def platforms(self, _: job.ListPlatforms) -> list[job.PlatformView]:
        return [
            job.PlatformView(name="facebook", kinds=["profile", "check"], base_url="http://127.0.0.1"),
            job.PlatformView(name="hub", kinds=["token"], base_url="http://127.0.0.1"),
        ]

    async def request(self, command: job.RequestJob) -> job.JobView:
        if command.secrets:
            self.secrets.append(command.secrets)
        if self.at_it:
            raise errors.ConflictError("another job is at it", job_id=self.at_it)
        view = job.JobView(
            id=command.job_id,
            tenant=command.tenant,
            session_id=command.session_id,
            platform="facebook",
            kind=command.kind,
            target=command.target,
            params=command.params,
            state="queued",
            progress=job.Progress(),
            attempt=0,
            error=None,
            records=None,
            created_at=BEGAN,
            started_at=None,
            finished_at=None,
            version=1,
        )
        if (command.tenant, command.job_id) not in self.jobs:
            said = {"tenant": command.tenant, "session_id": command.session_id, "platform": "facebook"}
            await self.log.add(job.JobRequested, command.tenant, command.job_id, kind=command.kind, **said)
            self.jobs[command.tenant, command.job_id] = view
        return view

    async def end(self, tenant: str, job_id: str) -> int:
        """Let a job succeed."""
        view = replace(self.jobs[tenant, job_id], state="succeeded", finished_at=BEGAN, records=len(self.records))
        self.jobs[tenant, job_id] = view
        return await self.log.add(job.JobCancelled, tenant, job_id)

    async def get(self, query: job.GetJob | job.CancelJob) -> job.JobView:
        try:
            return self.jobs[query.tenant, query.job_id]
        except KeyError:
            raise errors.NotFoundError from None

    async def result(self, query: job.GetResult) -> job.ResultPage:
        some = self.records[query.offset : query.offset + min(query.limit, 2)]
        return job.ResultPage(records=some, total=len(self.records))

    async def give(self, command: job.GiveInput) -> job.JobView:
        view = await self.get(job.GetJob(tenant=command.tenant, job_id=command.job_id))
        if view.needs is None:
            raise errors.ConflictError("this job waits for nothing")
        self.secrets.append(command.input)
        self.jobs[command.tenant, command.job_id] = replace(view, state="running", needs=None)
        return self.jobs[command.tenant, command.job_id]

    def wait(self, tenant: str, job_id: str) -> None:
        """Let a job wait for a person."""
        needs = job.Need(what="mfa_code", detail="a code is asked for", until=BEGAN)
        self.jobs[tenant, job_id] = replace(self.jobs[tenant, job_id], state="needs_user", needs=needs)

    async def executor(self, _: job.GetScraperStats) -> job.ScraperStats:
        return job.ScraperStats(worker="w1", executor=self.places, jobs_running=0)

    async def stats(self, _: browser.GetRunnerStats) -> browser.RunnerStats:
        return browser.RunnerStats(runner="r1", max_browsers=10, browsers=self.open)

    async def open_browser(self, _: browser.OpenBrowser) -> browser.BrowserView:
        if not self.cdp_url:
            raise errors.UnavailableError("all browsers of this runner are busy")
        return browser.BrowserView(state="open", runner="r1", generation=1, cdp_url=self.cdp_url)

    async def close(self, command: browser.CloseBrowser) -> bool:
        return any(use.session_id == command.session_id for use in self.open)

    async def clean(self, _: browser.CleanBrowser) -> list[session.Step]:
        return [session.Step(name="kill", ok=True), session.Step(name="remove", ok=False, detail="in use")]

    async def health_of_scraper(self, _: house.ScraperHealth) -> house.Health:
        if not self.healthy:
            raise errors.UnavailableError("no worker at 10.0.0.7")
        return house.Health(service="scraper")

    async def health_of_runner(self, _: house.RunnerHealth) -> house.Health:
        return house.Health(service="browser-runner")
