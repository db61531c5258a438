"""What is asked about links. Any scraper answers: the log and the codes are everybody's."""

from __future__ import annotations

import asyncio
import time

from posada_contracts.browser import CleanBrowser
from posada_contracts.errors import ConflictError
from posada_contracts.link import ConnectLink, ForceCleanLink, GetLink, LinkView
from posada_contracts.session import GetSession, SessionView, Step
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore
from posada_runtime.service import Service

from posada_scraper.links.codes import Codes
from posada_scraper.links.domain import Link
from posada_scraper.links.journal import call_off
from posada_scraper.links.watchers import Watchers
from posada_scraper.logins import Logins, UnknownPlatformError
from posada_scraper.platforms.linking import LinkPlatform

LOOK_S = 0.1
LET_GO_S = 1.0
"""How long a watch may take to let go; on a browser that hangs it lets go when that has been ended."""

CLEAN_TIMEOUT_S = 40.0
REGISTRY_PATIENCE_S = 5.0


class LinkHandlers:
    """Connects, tells, cleans."""

    def __init__(self, bus: Bus, store: EventStore, logins: Logins, codes: Codes, watchers: Watchers) -> None:
        self._bus, self._store, self._logins = bus, store, logins
        self._codes, self._watchers = codes, watchers

    async def connect(self, command: ConnectLink) -> LinkView:
        """Begin to link, or join who is at it; answer when there is something to tell."""
        session = await self._session(command.tenant, command.session_id)
        platform = self._link_platform(session)
        deadline = time.monotonic() + command.wait_s
        before = await self._link(session)
        while True:
            watched = await self._watchers.is_watched(session.id)
            link, view = await self._look(session)
            is_news = link is not None and (before is None or link.version > before.version)
            if _is_told(view) and (watched or is_news):
                return _without_payload(view)
            if not watched and is_news and link is not None and not link.live:
                return _without_payload(view)
            if not watched:
                await self._watchers.begin(session.tenant, session.id, platform, asked=True)
            if time.monotonic() > deadline:
                return _without_payload(view)
            await asyncio.sleep(LOOK_S)

    async def force_clean(self, command: ForceCleanLink) -> list[Step]:
        """End the link first, so that nobody opens again what is then cleaned."""
        session = await self._session(command.tenant, command.session_id)
        why = ("cleaned", "the session was cleaned")
        was_live = await call_off(self._store, session.tenant, session.id, *why, actor=command.actor)
        await self._until_let_go(session.id)
        await self._codes.forget(session.tenant, session.id)
        clean = CleanBrowser(tenant=session.tenant, actor=command.actor, session_id=session.id)
        steps = await self._bus.ask(clean, timeout=CLEAN_TIMEOUT_S)
        return [Step(name="end_link", detail="ended" if was_live else "none was live"), *steps]

    async def _until_let_go(self, session_id: str) -> None:
        for _ in range(round(LET_GO_S / LOOK_S)):
            if not await self._watchers.is_watched(session_id):
                return
            await asyncio.sleep(LOOK_S)

    async def get(self, query: GetLink) -> LinkView:
        """The link now, with its code."""
        return (await self._look(await self._session(query.tenant, query.session_id)))[1]

    async def _session(self, tenant: str, session_id: str) -> SessionView:
        """Raises NotFoundError for another tenant's, and for one that was erased."""
        return await self._bus.ask(GetSession(tenant=tenant, session_id=session_id), patience=REGISTRY_PATIENCE_S)

    def _link_platform(self, session: SessionView) -> LinkPlatform:
        try:
            platform = self._logins.platform(session.platform)
        except UnknownPlatformError as error:
            raise ConflictError(error.detail) from None
        if not isinstance(platform, LinkPlatform):
            raise ConflictError(f"no phone lets a session of {session.platform} in: give it a login instead")
        return platform

    async def _link(self, session: SessionView) -> Link | None:
        """The link in the session's present life."""
        link = (await self._store.load(Link, session.tenant, session.id)).aggregate
        return link if link is not None and (link.live or link.changed_at >= session.created_at) else None

    async def _look(self, session: SessionView) -> tuple[Link | None, LinkView]:
        link = await self._link(session)
        if link is None:
            return None, LinkView(session_id=session.id, state="none", has_qr=False, detail="", changed_at=None)
        code = await self._codes.now(session.tenant, session.id) if link.state == "qr" else None
        view = LinkView(
            session_id=session.id,
            state=link.state,
            has_qr=code is not None,
            detail=link.detail,
            changed_at=link.changed_at,
            qr=code.payload if code else "",
            qr_at=code.at if code else None,
        )
        return link, view


def _is_told(view: LinkView) -> bool:
    """Whether there is something to do for whoever asked, or nothing any more."""
    return view.has_qr or view.state == "connected"


def _without_payload(view: LinkView) -> LinkView:
    return LinkView(
        session_id=view.session_id,
        state=view.state,
        has_qr=view.has_qr,
        detail=view.detail,
        changed_at=view.changed_at,
        qr_at=view.qr_at,
    )


def hear_links(service: Service, handlers: LinkHandlers) -> None:
    """Attach every handler."""
    service.hear(ConnectLink, handlers.connect)
    service.hear(ForceCleanLink, handlers.force_clean)
    service.hear(GetLink, handlers.get)
