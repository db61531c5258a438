"""What clients get, where it is not one of the contracts' own views."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from posada_contracts.access import KeyView
from posada_contracts.browser import Artifact, Usage
from posada_contracts.job import Executor, PlatformView
from posada_contracts.link import LinkState
from posada_contracts.session import SessionView, Step
from typing_extensions import TypedDict

Status = Literal["ok", "error"]


@dataclass(frozen=True, kw_only=True)
class EventView:
    """One event of the log."""

    sequence: int
    type: str
    subject_id: str
    version: int
    time: datetime
    actor: str
    trace_id: str
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some events, oldest first."""

    items: list[EventView]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trail(EventPage):
    """A session's audit trail; `state` is there when `as_of` was asked for."""

    state: SessionView | None = None


@dataclass(frozen=True, kw_only=True)
class IssuedKey:
    """A key just made. This is the only time that `key` is told."""

    id: str
    tenant: str
    role: str
    label: str
    created_at: datetime
    key: str


@dataclass(frozen=True, kw_only=True)
class KeyPage:
    """One page of a list of keys, newest first."""

    items: list[KeyView]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlatformPage:
    """Every platform there is; always one page."""

    items: list[PlatformView]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class CleanUp:
    """What a clean-up did, step by step."""

    session_id: str
    ok: bool
    steps: list[Step]


@dataclass(frozen=True, kw_only=True)
class BrowserDoors:
    """A session's browser, and where to drive it."""

    state: Literal["queued", "starting", "open"]
    position: int | None = None  #: in the queue, while it is queued
    cdp_url: str
    webdriver_url: str
    live_url: str  #: a page for people


@dataclass(frozen=True, kw_only=True)
class ArtifactPage:
    """The files that a session's browsers downloaded."""

    items: list[Artifact]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClosedBrowser:
    """Whether there was a browser to close."""

    closed: bool


DevtoolsVersion = TypedDict(
    "DevtoolsVersion",
    {"Browser": str, "Protocol-Version": str, "User-Agent": str, "V8-Version": str, "webSocketDebuggerUrl": str},
)
"""What DevTools clients ask for first, named as Chromium names it."""


@dataclass(frozen=True, kw_only=True)
class LinkNow:
    """How a session's link to a phone stands."""

    state: LinkState | Literal["none"]
    has_qr: bool  #: whether a code waits to be scanned
    detail: str  #: why it ended, for people
    changed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class LinkCode:
    """A code to scan. Whoever sees it may log in."""

    qr: str
    shown_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records of a job."""

    items: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class RunnerUse:
    """One runner, with the browsers that are the tenant's own."""

    runner: str
    max_browsers: int
    browsers: list[Usage]
    queued: int  #: sessions of all tenants that wait for a browser
    warm: int  #: browsers that stand ready


@dataclass(frozen=True, kw_only=True)
class Stats:
    """The tenant's share of the house in numbers."""

    sessions: dict[str, int]
    jobs: dict[str, int]
    queue: dict[str, int]  #: jobs that wait and that run, and sessions that wait for a browser
    browsers: int
    max_browsers: int
    runners: list[RunnerUse]
    projected: int
    logged: int


@dataclass(frozen=True, kw_only=True)
class Alive:
    """It is there."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, kw_only=True)
class ServiceHealth:
    """One dependency, probed."""

    status: Status
    message: str


@dataclass(frozen=True, kw_only=True)
class HouseHealth:
    """Every dependency, probed for real."""

    status: Status
    services: dict[str, ServiceHealth] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sesion:
    """A session as clients of the Spanish route know it."""

    id_sesion: str
    id_usuario: str
    plataforma: str
    estado: Literal["activa", "expirada", "baneada"]
    ultima_actividad: datetime


@dataclass(frozen=True, kw_only=True)
class OldStats:
    """`GET /stats`, as it always was."""

    active_sessions: int
    max_sessions: int
    users: list[str]


@dataclass(frozen=True, kw_only=True)
class ExecutorOfWorker(Executor):
    """One scraper's places for login forms."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class TokenCounters:
    """The tenant's tokens since the first day."""

    fetched: int
    read: int


@dataclass(frozen=True, kw_only=True)
class ApiStats:
    """How the fetching of tokens is doing; `executor` is the sum of all `workers`."""

    executor: Executor
    workers: list[ExecutorOfWorker]
    tokens: TokenCounters


@dataclass(frozen=True, kw_only=True)
class OldClosed:
    """`POST /close-session/{user_id}`, as it always was."""

    closed: bool
    user_id: str


@dataclass(frozen=True, kw_only=True)
class OldConnect:
    """`POST /api/whatsapp/connect`, as it always was."""

    success: bool
    message: str
    status: Literal["initializing", "connected"]
    hasQR: bool  # noqa: N815  # older clients spell it so
    timestamp: datetime


@dataclass(frozen=True, kw_only=True)
class OldCleanUp:
    """`POST /api/whatsapp/force-cleanup`, as it always was."""

    success: bool
    message: str
    clientCode: str  # noqa: N815  # older clients spell it so
    timestamp: datetime
