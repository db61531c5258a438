"""The live Chromium of a session. Spoken by browser-runner."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from eventsourcing.domain import CanInitAggregate

from posada_contracts.messages import Command, Event, Query
from posada_contracts.session import Step
from posada_contracts.vault import Sealed


class BrowserEvent(Event):
    """A fact about the browser of the session with the same id."""


class BrowserOpened(
    BrowserEvent, CanInitAggregate[str], type="browser.opened.v1", subject="evt.{tenant}.browser.{id}.opened"
):
    """A runner started a Chromium for the session and gave it the stored login."""

    originator_topic: str = "browser"
    runner: str
    generation: int  #: of the runner's lease: grows with every new holder
    start_id: str  #: the mark that every process of this browser carries
    took_ms: int


class BrowserReopened(BrowserEvent, type="browser.reopened.v1", subject="evt.{tenant}.browser.{id}.reopened"):
    """The same, for a session that has had a browser before."""

    runner: str
    generation: int
    start_id: str
    took_ms: int


class BrowserClosed(BrowserEvent, type="browser.closed.v1", subject="evt.{tenant}.browser.{id}.closed"):
    """The browser was ended on purpose and the login saved."""

    runner: str
    generation: int
    reason: Literal["asked", "idle", "shutdown", "cleaned"]


class BrowserLost(BrowserEvent, type="browser.lost.v1", subject="evt.{tenant}.browser.{id}.lost"):
    """The browser or its runner died; what was left of it has been ended."""

    runner: str
    generation: int
    detail: str


class BrowserUnwell(BrowserEvent, type="browser.unwell.v1", subject="evt.{tenant}.browser.{id}.unwell"):
    """An alert: a probe found the browser broken, or its machine short of memory."""

    runner: str
    generation: int
    what: Literal["page_hung", "transport_hung", "process_dead", "memory"]
    detail: str


class LoginRestored(BrowserEvent, type="browser.login_restored.v1", subject="evt.{tenant}.browser.{id}.login_restored"):
    """The newest saved login did not open, or came up damaged; the one before it is used."""

    runner: str
    generation: int
    detail: str


class FileDownloaded(BrowserEvent, type="browser.file_downloaded.v1", subject="evt.{tenant}.browser.{id}.downloaded"):
    """A page gave a file to download; it was sealed as an artifact of the session."""

    runner: str
    name: str  #: as the site suggests it
    url: str  #: without query values
    size: int
    secret: Sealed


@dataclass(frozen=True, kw_only=True)
class BrowserView:
    """A session's browser, for a client of the runner. The URLs are empty until it is open."""

    state: Literal["queued", "starting", "open"]
    runner: str
    generation: int
    cdp_url: str  #: holds a key of its own, valid while this browser lives: never log it
    webdriver_url: str = ""  #: of a W3C WebDriver server for this browser alone; holds the same key
    position: int | None = None  #: in the queue, from 1


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one open browser takes from the machine."""

    session_id: str
    tenant: str
    memory_bytes: int  #: PSS where the system tells it, else RSS
    cpu_seconds: float
    processes: int
    generation: int
    clients: int  #: DevTools and WebDriver connections just now
    idle_seconds: float = 0.0  #: since somebody was connected last; 0 while somebody is


@dataclass(frozen=True, kw_only=True)
class RunnerStats:
    """One runner and its browsers."""

    runner: str
    max_browsers: int
    browsers: list[Usage]
    queued: int = 0
    warm: int = 0  #: browsers that stand ready


@dataclass(frozen=True, kw_only=True)
class RunnerLoad:
    """How much a runner can still take."""

    runner: str
    free: int  #: places that nobody has
    queued: int


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file that a session's browser downloaded."""

    id: str
    name: str
    url: str
    size: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class ArtifactPart:
    """Some bytes of an artifact."""

    name: str
    size: int  #: of the whole
    data: bytes = field(repr=False)


class OpenBrowser(Command[BrowserView], subject="cmd.browser.open"):
    """Open, or join, the session's browser; whichever runner hears it passes it to the one that holds it.

    When every place is taken the session is queued: the answer comes when it is open, or after `wait_s` with its
    position. Asking again neither moves it nor adds another; one that is not asked for any more loses its place.
    429 `queue_full` when too many wait.
    """

    session_id: str
    wait_s: float = 30.0  #: 0: answer at once


class CloseBrowser(Command[bool], subject="cmd.browser.close"):
    """Close the session's browser and save its login. False: none was open."""

    session_id: str


class CleanBrowser(Command[list[Step]], subject="cmd.browser.clean"):
    """End exactly what belongs to the session on the runner that holds it, and say what was done."""

    session_id: str


class OpenBrowserAt(Command[BrowserView], subject="cmd.runner.{runner}.open"):
    """`OpenBrowser`, passed on to the runner that holds the session or has a place for it."""

    runner: str
    session_id: str
    wait_s: float = 30.0


class CloseBrowserAt(Command[bool], subject="cmd.runner.{runner}.close"):
    """`CloseBrowser`, passed on to the runner that holds the session."""

    runner: str
    session_id: str


class CleanBrowserAt(Command[list[Step]], subject="cmd.runner.{runner}.clean"):
    """`CleanBrowser`, passed on to the runner that holds the session."""

    runner: str
    session_id: str


class GetRunnerStats(Query[RunnerStats], subject="qry.browser.stats"):
    """Every runner answers: what it hosts and what that takes."""


class GetRunnerLoad(Query[RunnerLoad], subject="qry.browser.load"):
    """Every runner answers, at once: how much it can still take."""


class ListArtifacts(Query[list[Artifact]], subject="qry.browser.artifacts"):
    """The files that the session's browsers downloaded, newest first."""

    session_id: str


class ReadArtifact(Query[ArtifactPart], subject="qry.browser.artifact"):
    """Some bytes of a file. 404 when the session has no such artifact."""

    session_id: str
    artifact_id: str
    offset: int = 0
    limit: int = 1 << 20
