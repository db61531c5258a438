"""Sessions that a phone lets in: the code in seconds, once scanned never again, and nothing of it left anywhere."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from posada_client import PosadaClient
from posada_contracts.ids import session_id
from posada_testkit.faults import files_with
from posada_testkit.house import House

from .qr_reader import read

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

SECONDS = 10.0
"""To the code, on a machine that others use as well."""

SAVED_WITHIN = timedelta(seconds=1.5)

_numbers = itertools.count()
_codes_seen: set[str] = set()


@dataclass
class Phone:
    """One session, and the phone that lets it in."""

    house: House
    posada: PosadaClient
    id: str
    number: str
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str = "", **headers: str) -> httpx.Response:
        """A call to the session's link."""
        url = f"{self.house.url}/v1/sessions/{self.id}/link{path}"
        return httpx.request(method, url, headers={**self.headers, **headers}, timeout=60)

    def state(self) -> str:
        return str(self.call("GET").json()["state"])

    def code(self) -> str:
        """What the code says now."""
        answer = self.call("GET", "/qr", Accept="application/json")
        assert answer.status_code == 200, answer.text
        _codes_seen.add(answer.json()["qr"])
        return str(answer.json()["qr"])

    def scan(self) -> None:
        self.house.control("/whatsapp/scan", ref=self.code(), phone=self.number)

    def log_out(self) -> None:
        self.house.control("/whatsapp/logout", phone=self.number)

    def link(self) -> None:
        """From nothing to connected."""
        assert self.call("POST").json()["has_qr"]
        self.scan()
        until(lambda: self.state() == "connected", "it is connected")
        until(self.is_saved, "its keys are saved")

    def is_saved(self) -> bool:
        """Whether a login was saved and nothing has come after it for longer than a runner waits to save a change."""
        events = list(self.posada.sessions.events(self.id))
        saved = any(event.type == "session.credentials_stored.v1" for event in events)
        return saved and datetime.now(UTC) - events[-1].time > SAVED_WITHIN

    def said(self) -> list[str]:
        """The types of the session's events."""
        return [event.type for event in self.posada.sessions.events(self.id)]

    def said_of_link(self) -> list[str]:
        return [type_.split(".")[1] for type_ in self.said() if type_.startswith("link.")]


def until(holds: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
    """Wait for a state."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"this did not come about: {what}"
        time.sleep(0.05)


@pytest.fixture
def phone(house: House, posada: PosadaClient) -> Iterator[Phone]:
    """A fresh session; its browser makes room afterwards."""
    number = f"+51900{next(_numbers):06}"
    session = posada.sessions.create(f"phone-{number}", "whatsapp")
    phone = Phone(house, posada, session.id, number, {"Authorization": f"Bearer {house.key}"})
    yield phone
    phone.call("DELETE")


def test_a_code_is_there_within_seconds_and_its_picture_says_the_same(phone: Phone) -> None:
    assert phone.call("GET").json() == {"state": "none", "has_qr": False, "detail": "", "changed_at": None}
    began = time.monotonic()
    told = phone.call("POST").json()
    assert time.monotonic() - began < SECONDS
    assert (told["state"], told["has_qr"]) == ("qr", True)
    before, picture, after = phone.code(), phone.call("GET", "/qr"), phone.code()
    assert picture.headers["content-type"] == "image/png"
    assert read(picture.content) in (before, after)


def test_the_code_rotates_and_the_answer_follows_also_after_they_ran_out(house: House, phone: Phone) -> None:
    house.control("/whatsapp/qr", ms=400)
    try:
        phone.call("POST")
        seen: list[str] = []

        def another() -> bool:
            answer = phone.call("GET", "/qr", Accept="application/json")
            if answer.status_code == 200 and answer.json()["qr"] not in seen:
                seen.append(answer.json()["qr"])
            return len(seen) > 7  # five, and those after the click

        until(another, "codes follow one another")
    finally:
        house.control("/whatsapp/qr", ms=20_000)
    _codes_seen.update(seen)
    assert phone.said_of_link() == ["begun", "qr"], "one event for all of them"


def test_once_scanned_it_is_connected_and_the_session_active(phone: Phone) -> None:
    phone.link()
    assert phone.said_of_link() == ["begun", "qr", "connected"]
    assert phone.posada.sessions.get(phone.id).status == "active"
    refused = phone.call("GET", "/qr")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert phone.call("POST").json()["state"] == "connected", "asking again joins"
    assert phone.said_of_link() == ["begun", "qr", "connected"]


def test_a_killed_browser_comes_back_connected_without_a_code(house: House, phone: Phone) -> None:
    phone.link()
    os.kill(house.browsers(phone.id)[0].pid, signal.SIGKILL)
    until(lambda: phone.said_of_link()[3:] == ["initializing", "connected"], "it is connected again", 60)
    assert phone.state() == "connected"


def test_a_closed_browser_disconnects_and_opens_again_without_a_code(phone: Phone) -> None:
    phone.link()
    url = f"{phone.house.url}/v1/sessions/{phone.id}/browser"
    assert httpx.delete(url, headers=phone.headers, timeout=60).json() == {"closed": True}
    until(lambda: phone.state() == "disconnected", "it is disconnected")
    assert phone.call("POST").json()["state"] == "connected"
    assert phone.said_of_link().count("qr") == 1


def test_a_forced_clean_up_ends_what_hangs_and_keeps_the_login(house: House, phone: Phone) -> None:
    phone.link()
    pid = house.browsers(phone.id)[0].pid
    os.kill(pid, signal.SIGSTOP)
    cleaned = phone.call("DELETE").json()
    assert cleaned["steps"][0] == {"name": "end_link", "ok": True, "detail": "ended"}
    assert "kill_processes" in {step["name"] for step in cleaned["steps"]}
    assert pid not in {process.pid for process in house.browsers(phone.id)}
    assert phone.state() == "disconnected"
    assert phone.call("POST").json()["state"] == "connected"
    assert phone.said_of_link().count("qr") == 1
    assert "session.cleaned.v1" in phone.said()


def test_a_logout_on_the_phone_disconnects_and_the_next_link_needs_a_code(phone: Phone) -> None:
    phone.link()
    phone.log_out()
    until(lambda: phone.state() == "disconnected", "the logout is seen", SECONDS)
    assert "logged this session out" in phone.call("GET").json()["detail"]
    until(lambda: phone.posada.sessions.get(phone.id).status == "expired", "the session is expired")
    assert phone.call("POST").json()["has_qr"]


def test_two_that_connect_at_once_are_answered_by_one_watch(phone: Phone) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: phone.call("POST").json(), range(4)))
    assert [answer["has_qr"] for answer in answers] == [True] * 4
    assert phone.said_of_link() == ["begun", "qr"]
    assert phone.said().count("browser.opened.v1") == 1


def test_another_tenant_sees_nothing_of_it(house: House, phone: Phone) -> None:
    phone.call("POST")
    stranger = {"Authorization": f"Bearer {_key_of(house, 'elsewhere')}"}
    for method, path in (("GET", ""), ("GET", "/qr"), ("POST", ""), ("DELETE", "")):
        url = f"{house.url}/v1/sessions/{phone.id}/link{path}"
        assert httpx.request(method, url, headers=stranger, timeout=60).status_code == 404
    assert phone.state() == "qr", "nor could they end it"


def test_older_clients_link_scan_and_clean_by_their_own_addresses(house: House) -> None:
    tenant = "chasqui"
    headers = {"Authorization": f"Bearer {_key_of(house, tenant)}"}
    with httpx.Client(base_url=f"{house.url}/api/whatsapp", headers=headers, timeout=60) as client:
        told = client.post("/connect").json()
        assert set(told) == {"success", "message", "status", "hasQR", "timestamp"}
        assert (told["success"], told["status"], told["hasQR"]) == (True, "initializing", True)
        picture = client.get("/qr")
        assert picture.headers["content-type"] == "image/png"
        code = read(picture.content)
        _codes_seen.add(code)
        house.control("/whatsapp/scan", ref=code, phone="+51911111111")
        until(lambda: client.get("/qr").status_code == 409, "it is connected")
        assert client.post("/connect").json()["status"] == "connected"
        own = session_id(tenant, "whatsapp", "whatsapp")
        until(lambda: client.get(f"{house.url}/v1/sessions/{own}").json()["has_credentials"], "its keys are saved")
        cleaned = client.post("/force-cleanup").json()
        assert set(cleaned) == {"success", "message", "clientCode", "timestamp"}
        assert (cleaned["success"], cleaned["clientCode"]) == (True, tenant)
        assert client.post("/connect").json()["status"] == "connected", "no code is needed"
        assert client.post("/force-cleanup").json()["success"]


def test_no_code_is_in_any_event_or_file(house: House, phone: Phone) -> None:
    phone.call("POST")
    phone.code()
    needles = [code.encode() for code in _codes_seen]
    assert needles
    assert not files_with(house.data, *needles)
    assert not any(code in str(event.data) for event in phone.posada.sessions.events(phone.id) for code in _codes_seen)


def _key_of(house: House, tenant: str) -> str:
    body = {"role": "operator", "tenant": tenant, "label": ""}
    answer = httpx.post(f"{house.url}/v1/keys", json=body, headers={"Authorization": f"Bearer {house.key}"})
    return str(answer.json()["key"])
