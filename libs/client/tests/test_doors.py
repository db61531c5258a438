"""The SDK's browsers, tokens, links, and jobs that wait for somebody, over real HTTP."""

from __future__ import annotations

import pytest
from posada_client import PosadaClient, PosadaProblem, WaitTimeoutError
from posada_client.models import Browser, Job, Link, LinkCode

from .doors import PDF, PNG
from .house import House


@pytest.fixture
def session(house: House) -> str:
    """A session's id."""
    return str(house.new_session("ana", "facebook")["id"])


def test_a_browser_is_opened_told_of_and_closed(house: House, client: PosadaClient, session: str) -> None:
    browser = client.browsers.open(session, wait_seconds=5)
    assert browser.is_open
    assert browser.cdp_url.startswith("ws://")
    assert house.seen[-1].headers["prefer"] == "wait=5"
    assert client.browsers.live_url(session) == browser.live_url
    assert client.browsers.close(session)
    assert not client.browsers.close(session)


def test_waiting_for_a_browser_asks_again_and_tells_every_new_position(
    house: House, client: PosadaClient, session: str
) -> None:
    house.positions = [3, 3, 1]
    seen: list[Browser] = []
    assert client.browsers.wait(session, seen.append).is_open
    assert [browser.position for browser in seen] == [3, 1, None]
    assert len(house.asked("POST", f"/v1/sessions/{session}/browser")) == 4


def test_waiting_for_a_browser_ends_in_time(house: House, client: PosadaClient, session: str) -> None:
    house.positions = [2] * 100
    with pytest.raises(WaitTimeoutError):
        client.browsers.wait(session, timeout=0.5)
    assert house.seen[-1].headers["prefer"] == "wait=0"


def test_a_full_queue_says_when_to_come_again(house: House, client: PosadaClient, session: str) -> None:
    house.queue_full = True
    with pytest.raises(PosadaProblem) as caught:
        client.browsers.wait(session)
    assert (caught.value.code, caught.value.extra["retry_after"]) == ("queue_full", 7)


def test_retry_after_in_the_header_alone_is_told_of_too(house: House, client: PosadaClient) -> None:
    house.refuse_next, house.retry_after = 1, "4"
    with pytest.raises(PosadaProblem) as caught:
        client.audit()
    assert caught.value.extra["retry_after"] == 4


def test_pictures_and_downloads_come_as_they_are(house: House, client: PosadaClient, session: str) -> None:
    house.downloads = {"a1": b"name\r\nana\r\n"}
    assert client.browsers.screenshot(session) == PNG
    assert client.browsers.screenshot(session, full_page=True) == PNG + b"true"
    assert client.browsers.pdf(session) == PDF
    [artifact] = client.browsers.artifacts(session)
    pieces: list[bytes] = []
    client.browsers.artifact(session, artifact.id, pieces.append)
    assert (artifact.name, artifact.size, b"".join(pieces)) == ("informe.csv", 11, house.downloads["a1"])
    with pytest.raises(PosadaProblem):
        client.browsers.artifact(session, "a2", pieces.append)


def test_a_token_is_fetched_with_a_code_that_is_asked_for_on_the_way(house: House, client: PosadaClient) -> None:
    house.on_job, house.code = house.need, "123456"
    job = client.tokens.fetch("ana", "hub", username="marcos", password="clave")
    states: list[str] = []

    def answer(seen: Job) -> None:
        states.append(seen.state)
        if seen.needs is not None:
            client.jobs.give_input(seen.id, {seen.needs.what: "123456" if "running" in states else "wrong"})

    assert client.jobs.wait(job.id, answer).state == "succeeded"
    assert states[0] == "needs_user"
    [asked] = house.asked("POST", "/v1/tokens")
    assert asked.body == {"owner": "ana", "platform": "hub", "username": "marcos", "password": "clave"}
    assert client.tokens.get("ana", "hub").status == "valid"
    value = client.tokens.value("ana", "hub")
    assert value.token == "eyJ.t0ken.x"
    assert value.token not in repr(value)


def test_input_that_a_job_does_not_wait_for_is_a_conflict(house: House, client: PosadaClient, session: str) -> None:
    job = house.new_job(session)["id"]
    with pytest.raises(PosadaProblem) as caught:
        client.jobs.give_input(job, {"mfa_code": "1"})
    assert caught.value.status == 409


def test_a_link_is_waited_for_code_by_code(house: House, client: PosadaClient, session: str) -> None:
    house.on_link = lambda id_: house.link(id_, "qr", "first")
    assert client.links.connect(session).has_qr
    codes: list[str] = []
    states: list[str] = []

    def scan(code: LinkCode) -> None:
        codes.append(code.qr)
        assert code.qr not in repr(code)
        house.link(session, *(("qr", "second") if code.qr == "first" else ("connected", "")))

    def change(link: Link) -> None:
        states.append(link.state)

    assert client.links.wait(session, scan, change).state == "connected"
    assert (codes, states) == (["first", "second"], ["qr", "connected"])
    with pytest.raises(PosadaProblem) as caught:
        client.links.qr(session)
    assert caught.value.status == 409


def test_a_link_that_nobody_scans_is_given_up_by_who_waits_and_cleaned(
    house: House, client: PosadaClient, session: str
) -> None:
    house.link(session, "qr", "first")
    with pytest.raises(WaitTimeoutError, match="goes on waiting"):
        client.links.wait(session, lambda _: None, timeout=0.2)
    assert client.links.qr_png(session) == PNG
    assert client.links.clean(session).ok
    assert client.links.get(session).state == "disconnected"


def test_a_key_may_be_another_tenant_s(client: PosadaClient) -> None:
    client.keys.issue("viewer")
    assert client.keys.issue("admin", "first", tenant="acme").tenant == "acme"
    assert [key.role for key in client.keys.list(tenant="acme")] == ["admin"]


def test_runners_and_their_browsers_are_typed(house: House, client: PosadaClient, session: str) -> None:
    use = {"session_id": session, "tenant": "default", "memory_bytes": 5 << 20, "cpu_seconds": 1.5, "processes": 7}
    house.runners = [{"runner": "r1", "max_browsers": 4, "browsers": [use], "queued": 2, "warm": 1}]
    [runner] = client.stats().runners
    assert (runner.warm, runner.browsers[0].processes) == (1, 7)
