"""A device link: a web session that a phone lets in by a QR code, as WhatsApp has it. Spoken by scraper.

The QR is a login for whoever sees it first: it is in no event. It stands sealed nowhere and only in memory, for the
minute that it is good for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eventsourcing.domain import CanInitAggregate

from posada_contracts.messages import Command, Event, Query
from posada_contracts.session import Step

LinkState = Literal["initializing", "qr", "connected", "disconnected", "failed"]


class LinkEvent(Event):
    """A fact about the link of the session with the same id."""


class LinkBegun(LinkEvent, CanInitAggregate[str], type="link.begun.v1", subject="evt.{tenant}.link.{id}.begun"):
    """Somebody asked for the session to be linked for the first time; its page is being opened."""

    originator_topic: str = "link"
    worker: str


class LinkInitializing(LinkEvent, type="link.initializing.v1", subject="evt.{tenant}.link.{id}.initializing"):
    """The page is being opened, once more."""

    worker: str


class LinkShowsQr(LinkEvent, type="link.qr.v1", subject="evt.{tenant}.link.{id}.qr"):
    """A QR waits to be scanned. One event for all the codes that it rotates through."""


class LinkConnected(LinkEvent, type="link.connected.v1", subject="evt.{tenant}.link.{id}.connected"):
    """The phone let the session in, or the stored keys did."""


class LinkDisconnected(LinkEvent, type="link.disconnected.v1", subject="evt.{tenant}.link.{id}.disconnected"):
    """It was connected and is not any more: logged out on the phone, closed, or its browser gone for good."""

    detail: str


class LinkFailed(LinkEvent, type="link.failed.v1", subject="evt.{tenant}.link.{id}.failed"):
    """It did not come about: nobody scanned in time, or the page is not built as expected."""

    code: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class LinkView:
    """A link as clients see it."""

    session_id: str
    state: LinkState | Literal["none"]
    has_qr: bool
    detail: str
    changed_at: datetime | None
    qr: str = ""  #: what the code says; a login: only in answers that ask for it
    qr_at: datetime | None = None  #: when the site showed this one


class ConnectLink(Command[LinkView], subject="cmd.link.connect"):
    """Clean what hangs, open the page, and answer when there is a QR or the session is connected.

    One that is being linked or connected already is joined. After `wait_s` it answers with how far it is.
    """

    session_id: str
    wait_s: float = 20.0


class ForceCleanLink(Command[list[Step]], subject="cmd.link.force_clean"):
    """End the link and clean its session exactly; the login stays."""

    session_id: str


class GetLink(Query[LinkView], subject="qry.link.get"):
    """The link now, with its QR."""

    session_id: str
