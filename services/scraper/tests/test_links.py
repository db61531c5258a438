"""Watching a link: the services' own processes, a real Chromium, the look-alike."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from posada_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from posada_contracts.job import CheckSession, RequestJob
from posada_contracts.link import ConnectLink, ForceCleanLink, GetLink, LinkEvent, LinkFailed, LinkView
from posada_contracts.session import CreateSession, EraseSession, GetSession, SessionView
from posada_contracts.streams import of_aggregate
from posada_playground.child import Playground, running
from posada_runtime.bus import connect
from posada_runtime.eventstore import EventStore
from posada_scraper.platforms.linking import LinkPlatform, Sight
from posada_scraper.platforms.whatsapp import WhatsApp
from posada_testkit.faults import wait_until
from posada_testkit.servers import own_directory, running_nats, settings_for

from .conftest import House, odd_plugins

pytestmark = [pytest.mark.e2e]
TENANT = "acme"
PATIENCE_S = 6.0


class LinkHouse(House):
    """A house whose scrapers know the look-alike, and do not wait for a phone as long as people would."""

    async def start(self, module: str, **settings: object) -> subprocess.Popen[bytes]:
        """As `House.start`."""
        sites = {"facebook": f"{self.playground.url}/social", "whatsapp": f"{self.playground.url}/whatsapp"}
        given = {"SCRAPER_BASE_URLS": json.dumps(sites), "SCRAPER_LINK_PATIENCE_S": PATIENCE_S, **settings}
        return await super().start(module, **given)

    async def session(self, account: str = "", **_: Any) -> SessionView:
        """A session that no phone knows."""
        return await self.bus.ask(CreateSession(tenant=TENANT, owner=secrets.token_hex(4), platform="whatsapp"))

    async def link(self, session: SessionView, wait_s: float = 20.0) -> LinkView:
        """Connect."""
        command = ConnectLink(tenant=TENANT, session_id=session.id, wait_s=wait_s)
        return await self.bus.ask(command, timeout=wait_s + 10)

    async def look(self, session: SessionView) -> LinkView:
        """The link now."""
        return await self.bus.ask(GetLink(tenant=TENANT, session_id=session.id), patience=5)

    async def scanned(self, session: SessionView) -> None:
        """Let it in."""
        ref = (await self.look(session)).qr
        self.playground.control("POST", "/whatsapp/scan", ref=ref, phone=session.owner)
        await self.reaches(session, "connected")

    async def reaches(self, session: SessionView, state: str, within_s: float = 30) -> LinkView:
        """The link, when it is in a state."""

        async def look() -> LinkView | None:
            now = await self.look(session)
            return now if now.state == state else None

        seen = await wait_until(look, f"the link is {state}", within_s=within_s, poll_s=0.05)
        assert seen is not None
        return seen

    async def told(self, session: SessionView) -> list[LinkEvent]:
        """What the log says of the link."""
        found = [recorded.event async for recorded in self.store.read(of_aggregate(TENANT, "link", session.id))]
        return [event for event in found if isinstance(event, LinkEvent)]


@pytest.fixture(scope="module")
def site() -> Any:
    """The look-alike."""
    with running(page_delay_ms=0) as playground:
        yield playground


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def links(site: Playground) -> AsyncIterator[LinkHouse]:
    """Everything there is to link."""
    with own_directory("links") as directory:
        async with running_nats() as nats, connect(settings_for(nats, directory / "data"), "tests") as bus:
            common = settings_for(nats, directory / "data")
            common.data.mkdir()
            store = EventStore(bus)
            await store.open()
            async with LinkHouse(common, site, bus, store, odd_plugins(directory), nats) as house:
                assert isinstance(house, LinkHouse)
                yield house


async def test_whatsapp_is_a_platform_that_phones_link_to(browser: Browser, site: Playground) -> None:
    whatsapp = WhatsApp(f"{site.url}/whatsapp")
    assert isinstance(whatsapp, LinkPlatform)
    page = await (await browser.new_context()).new_page()
    await whatsapp.open(page)
    sight = await whatsapp.change(page, None, 0.1)
    while sight.shows == "loading":
        sight = await whatsapp.change(page, sight, 10)
    assert sight.shows == "qr"
    assert sight.qr
    assert sight.qr not in repr(sight)
    assert await whatsapp.change(page, sight, 0.2) == sight
    check = await whatsapp.probe_page(page)
    assert (check.verdict, check.evidence.marker) == ("expired", "qr")
    site.control("POST", "/whatsapp/scan", ref=sight.qr, phone="+51933333333")
    assert (await whatsapp.change(page, sight, 10)) == Sight("connected")
    other = await page.context.new_page()
    assert (await whatsapp.probe_page(other)).verdict == "valid"
    assert other.url == "about:blank", "the page that is there already was asked"
    await page.context.close()


async def test_a_code_that_nobody_scans_fails_in_time_and_gives_the_page_back(links: LinkHouse) -> None:
    session = await links.session()
    assert (await links.link(session)).has_qr
    failed = await links.reaches(session, "failed")
    assert (failed.has_qr, failed.qr) == (False, "")
    last = (await links.told(session))[-1]
    assert isinstance(last, LinkFailed)
    assert last.code == "not_scanned"
    assert (await links.link(session)).has_qr, "asking again begins anew"


async def test_an_answer_to_connecting_never_holds_the_code(links: LinkHouse) -> None:
    session = await links.session()
    view = await links.link(session)
    assert (view.state, view.has_qr, view.qr) == ("qr", True, "")
    assert (await links.look(session)).qr


async def test_who_does_not_wait_is_told_how_far_it_is(links: LinkHouse) -> None:
    session = await links.session()
    assert (await links.link(session, wait_s=0)).state in ("none", "initializing", "qr")
    await links.reaches(session, "qr")


async def test_a_scraper_that_is_frozen_loses_its_links_to_another(links: LinkHouse) -> None:
    session = await links.session()
    await links.link(session)
    await links.scanned(session)
    (first,) = links.scrapers()
    await links.start("posada_scraper")
    psutil.Process(first.pid).suspend()
    try:
        before = len(await links.told(session))

        async def taken_up() -> bool:
            return [type(event).__name__ for event in (await links.told(session))[before:]] == [
                "LinkInitializing",
                "LinkConnected",
            ]

        await wait_until(taken_up, "another scraper watches", within_s=40)
    finally:
        psutil.Process(first.pid).resume()
    links.playground.control("POST", "/whatsapp/logout", phone=session.owner)
    await links.reaches(session, "disconnected")
    events = [type(event).__name__ for event in await links.told(session)]
    assert events.count("LinkDisconnected") == 1, "the one that was frozen says nothing any more"


async def test_an_erased_session_is_not_linked_any_more(links: LinkHouse) -> None:
    session = await links.session()
    await links.link(session)
    await links.scanned(session)
    await links.bus.ask(EraseSession(tenant=TENANT, session_id=session.id), timeout=60)

    async def over() -> bool:
        return type((await links.told(session))[-1]).__name__ == "LinkDisconnected"

    await wait_until(over, "the link is over", within_s=20)
    with pytest.raises(NotFoundError):
        await links.look(session)
    again = await links.bus.ask(CreateSession(tenant=TENANT, owner=session.owner, platform="whatsapp"))
    assert (again.id, (await links.look(again)).state) == (session.id, "none"), "a new life begins without a link"


async def test_what_is_no_link_s_is_refused_clearly(links: LinkHouse) -> None:
    facebook = await links.bus.ask(CreateSession(tenant=TENANT, owner=secrets.token_hex(4), platform="facebook"))
    with pytest.raises(ConflictError, match="no phone"):
        await links.link(facebook)
    session = await links.session()
    for command in (ConnectLink, GetLink, ForceCleanLink):
        with pytest.raises(NotFoundError):
            await links.bus.ask(command(tenant="others", session_id=session.id))
    job = RequestJob(tenant=TENANT, job_id=secrets.token_hex(8), session_id=session.id, kind="friends")
    with pytest.raises(InvalidInputError, match="no 'friends' job"):
        await links.bus.ask(job)


async def test_a_linked_session_can_be_validated_without_being_disturbed(links: LinkHouse) -> None:
    session = await links.session()
    await links.link(session)
    await links.scanned(session)

    async def has_login() -> bool:
        return (await links.bus.ask(GetSession(tenant=TENANT, session_id=session.id))).has_credentials

    await wait_until(has_login, "its keys are saved", within_s=20)
    before = await links.told(session)
    check = await links.bus.ask(CheckSession(tenant=TENANT, session_id=session.id), timeout=60)
    assert (check.verdict, check.probe) == ("valid", "browser")
    assert await links.told(session) == before
