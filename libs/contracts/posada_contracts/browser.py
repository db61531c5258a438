"""The live Chromium of a session. Spoken by browser-runner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eventsourcing.domain import CanInitAggregate

from posada_contracts.messages import Command, Event, Query
from posada_contracts.session import Step


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


@dataclass(frozen=True, kw_only=True)
class BrowserView:
    """An open browser, for a client of the runner."""

    state: Literal["queued", "starting", "open"]
    runner: str
    generation: int
    cdp_url: str  #: holds a key of its own, valid while this browser lives: never log it


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one open browser takes from the machine."""

    session_id: str
    tenant: str
    memory_bytes: int  #: PSS where the system tells it, else RSS
    cpu_seconds: float
    processes: int
    generation: int
    clients: int  #: DevTools connections just now


@dataclass(frozen=True, kw_only=True)
class RunnerStats:
    """One runner and its browsers."""

    runner: str
    max_browsers: int
    browsers: list[Usage]


class OpenBrowser(Command[BrowserView], subject="cmd.browser.open"):
    """Open, or join, the session's browser; whichever runner hears it passes it to the one that holds it."""

    session_id: str


class CloseBrowser(Command[bool], subject="cmd.browser.close"):
    """Close the session's browser and save its login. False: none was open."""

    session_id: str


class CleanBrowser(Command[list[Step]], subject="cmd.browser.clean"):
    """End exactly what belongs to the session on the runner that holds it, and say what was done."""

    session_id: str


class OpenBrowserAt(Command[BrowserView], subject="cmd.runner.{runner}.open"):
    """`OpenBrowser`, passed on to the runner that holds the session."""

    runner: str
    session_id: str


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
