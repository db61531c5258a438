"""A linked session outlives whatever dies under it, and never asks for another code."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright
from posada_testkit.house import House, a_house

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.xdist_group("faults"), pytest.mark.timeout(300)]

PHONE = "+51922222222"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with two scrapers: one may die."""
    with a_house(tmp_path_factory.mktemp("links") / "data", ONEBOX_SCRAPERS=2) as running:
        yield running


@pytest.fixture(scope="module")
def linked(house: House) -> str:
    """A session that a phone has let in."""
    with house.client() as posada:
        id_ = posada.sessions.create("survivor", "whatsapp").id
        assert call(house, id_, "POST")["has_qr"]
        house.control("/whatsapp/scan", ref=call(house, id_, "GET", "/qr")["qr"], phone=PHONE)
        until(lambda: call(house, id_)["state"] == "connected", "it is connected")
        until(lambda: posada.sessions.get(id_).has_credentials, "its keys are saved")
    return id_


def call(house: House, id_: str, method: str = "GET", path: str = "") -> dict[str, Any]:
    url = f"{house.url}/v1/sessions/{id_}/link{path}"
    headers = {"Authorization": f"Bearer {house.key}", "Accept": "application/json"}
    answer = httpx.request(method, url, headers=headers, timeout=60)
    return dict(answer.json())


def said(house: House, id_: str) -> list[str]:
    with house.client() as posada:
        return [event.type for event in posada.sessions.events(id_) if event.type.startswith("link.")]


def until(holds: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"this did not come about: {what}"
        time.sleep(0.1)


def comes_back(house: House, id_: str, before: int) -> None:
    """Its page was opened once more, and let in by its own keys."""
    until(lambda: said(house, id_)[before:][-1:] == ["link.connected.v1"], "it is connected again", 90)
    assert set(said(house, id_)[before:]) == {"link.initializing.v1", "link.connected.v1"}
    until(lambda: call(house, id_).get("state") == "connected", "any scraper can tell")


def test_killed_scrapers_are_replaced_as_its_watchers(house: House, linked: str) -> None:
    before = len(said(house, linked))
    for name in ("scraper-1", "scraper-2"):
        os.kill(house.pid(name), signal.SIGKILL)
    comes_back(house, linked, before)


def test_a_stopped_scraper_hands_over_at_once(house: House, linked: str) -> None:
    before, began = len(said(house, linked)), time.monotonic()
    for name in ("scraper-1", "scraper-2"):
        os.kill(house.pid(name), signal.SIGTERM)
    comes_back(house, linked, before)
    assert time.monotonic() - began < 60


def test_a_killed_runner_costs_no_code(house: House, linked: str) -> None:
    before = len(said(house, linked))
    os.kill(house.pid("browser-runner"), signal.SIGKILL)
    comes_back(house, linked, before)


def test_a_killed_nats_costs_nothing(house: House, linked: str) -> None:
    os.kill(house.pid("nats"), signal.SIGKILL)
    until(lambda: call(house, linked).get("state") == "connected", "it is, or becomes, connected", 90)
    assert "link.qr.v1" not in said(house, linked)[2:]


def test_a_page_that_hangs_is_cleaned_and_opened_again(house: House, linked: str) -> None:
    before = len(said(house, linked))
    url = f"{house.url}/v1/sessions/{linked}/cdp?key={house.key}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(url)
        (page,) = (page for page in browser.contexts[0].pages if "/whatsapp" in page.url)
        page.evaluate("setTimeout(() => { for (;;); }, 0)")
        browser.close()
    comes_back(house, linked, before)


def test_whoever_watches_in_the_end_sees_the_logout(house: House, linked: str) -> None:
    house.control("/whatsapp/logout", phone=PHONE)
    until(lambda: call(house, linked).get("state") == "disconnected", "the logout is seen")
    assert call(house, linked, "POST")["has_qr"], "and a new code can be had"
