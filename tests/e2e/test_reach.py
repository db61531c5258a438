"""What a session's browser may reach, and who may reach the browser from inside the house."""

from __future__ import annotations

import uuid

import httpx
import pytest
from playwright.async_api import async_playwright
from posada_client import PosadaClient
from posada_contracts.browser import CleanBrowser, CloseBrowser, OpenBrowser
from posada_contracts.errors import NotFoundError
from posada_runtime.bus import connect
from posada_runtime.settings import CommonSettings
from posada_testkit.house import House
from pydantic import SecretStr

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]


async def test_a_page_reaches_the_allowed_site_and_nothing_else_beside_the_runner(
    house: House, posada: PosadaClient
) -> None:
    session = posada.sessions.create(f"curious-{uuid.uuid4().hex}", "facebook")
    door, key = _opened(house, session.id)
    postgres = house.run["postgres_dsn"].rpartition("@")[2].partition("/")[0]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(door, headers=key)
        page = await browser.contexts[0].new_page()
        for beside in (f"{house.url}/livez", f"http://{postgres}/", f"http://localhost:{house.run['mqtt_port']}/"):
            answer = await page.goto(beside)
            assert answer is not None
            assert answer.status == 403, beside
        allowed = await page.goto(f"{house.run['playground_url']}/livez")
        assert allowed is not None
        assert allowed.status == 200
        await browser.close()


async def test_a_runner_shows_a_browser_to_its_own_tenant_only(house: House, posada: PosadaClient) -> None:
    session = posada.sessions.create(f"own-{uuid.uuid4().hex}", "facebook")
    _opened(house, session.id)
    common = CommonSettings(nats_url=SecretStr(house.run["nats_url"]))
    async with connect(common, "stranger") as bus:
        with pytest.raises(NotFoundError):
            await bus.ask(OpenBrowser(tenant="elsewhere", session_id=session.id), timeout=20)
        with pytest.raises(NotFoundError):
            await bus.ask(CloseBrowser(tenant="elsewhere", session_id=session.id), timeout=20)
        with pytest.raises(NotFoundError):
            await bus.ask(CleanBrowser(tenant="elsewhere", session_id=session.id), timeout=20)
    assert posada.sessions.get(session.id).browser == "open"


def _opened(house: House, session_id: str) -> tuple[str, dict[str, str]]:
    """The DevTools address of the session's browser, and the header that opens it."""
    key = {"Authorization": f"Bearer {house.key}"}
    answer = httpx.post(f"{house.url}/v1/sessions/{session_id}/browser", headers=key, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["cdp_url"]), key
