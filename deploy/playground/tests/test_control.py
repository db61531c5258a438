import socket
import time
from collections.abc import Callable

import httpx
import pytest
from posada_playground.child import Playground, RefusedError

Visit = Callable[..., httpx.Client]
Start = Callable[..., Playground]

BRUNO = "/accounts/bruno@example.test"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_key_nothing_is_done(playground: Playground, header: dict[str, str]) -> None:
    answer = httpx.post(f"{playground.url}/control{BRUNO}/lock", headers=header)
    assert answer.status_code == 401


def test_an_unknown_account_answers_404(playground: Playground) -> None:
    with pytest.raises(RefusedError, match="404"):
        playground.control("POST", "/accounts/nobody@example.test/lock")
    with pytest.raises(RefusedError, match="404"):
        playground.control("POST", "/login", email="nobody@example.test")


def test_expiring_ends_all_logins_of_one_account_and_no_others(playground: Playground, visit: Visit) -> None:
    with (
        visit("bruno@example.test") as one,
        visit("bruno@example.test") as two,
        visit("ana@example.test") as ana,
    ):
        assert playground.control("POST", f"{BRUNO}/expire")["expired_logins"] == 2
        assert one.get("/social/me").status_code == two.get("/social/me").status_code == 302
        assert ana.get("/social/me").status_code == 200


def test_locking_leads_to_the_checkpoint_and_unlocking_back(playground: Playground, visit: Visit) -> None:
    with visit("bruno@example.test") as client:
        playground.control("POST", f"{BRUNO}/lock")
        assert client.get("/social/me").headers["location"] == "/social/checkpoint/"
        playground.control("POST", f"{BRUNO}/unlock")
        assert client.get("/social/me").status_code == 200
        assert client.get("/social/checkpoint/").headers["location"] == "/social/"


def test_a_handed_out_login_is_a_storage_state_and_may_be_expired_already(playground: Playground) -> None:
    state = playground.control("POST", "/login", email="ana@example.test")
    cookies = {cookie["name"]: cookie for cookie in state["cookies"]}
    assert set(cookies) == {"c_user", "xs", "datr", "presence"}
    assert cookies["xs"]["httpOnly"]
    assert cookies["xs"]["expires"] > time.time() + 300 * 24 * 3600
    assert cookies["presence"]["expires"] == -1
    assert {(c["domain"], c["path"], c["sameSite"]) for c in cookies.values()} == {("127.0.0.1", "/", "Lax")}
    assert state["origins"][0]["origin"] == playground.url
    assert state["origins"][0]["localStorage"][0]["name"] == "carabook_device"

    dead = playground.control("POST", "/login", email="ana@example.test", expired=True)
    sent = {cookie["name"]: cookie["value"] for cookie in dead["cookies"]}
    refused = httpx.get(f"{playground.url}/social/me", cookies=sent)
    assert refused.status_code == 302
    assert 'xs=""; expires=' in str(refused.headers)


def test_a_handed_out_login_belongs_to_the_public_url(start: Start) -> None:
    playground = start(public_url="https://carabook.example.test", control_key="k", port=(port := free_port()))
    reached = Playground(f"http://127.0.0.1:{port}", "k", playground.process)
    state = reached.control("POST", "/login", email="ana@example.test")
    assert {(c["domain"], c["secure"]) for c in state["cookies"]} == {("carabook.example.test", True)}
    assert state["origins"][0]["origin"] == "https://carabook.example.test"


def test_an_outage_answers_503_until_it_is_ended(playground: Playground, visit: Visit) -> None:
    with visit("ana@example.test") as client:
        playground.control("POST", "/down", seconds=60)
        answer = client.get("/social/me")
        assert (answer.status_code, int(answer.headers["retry-after"])) == (503, 60)
        assert client.get("/livez").status_code == 200
        playground.control("POST", "/down", seconds=0)
        assert client.get("/social/me").status_code == 200


def test_requests_are_counted_since_a_number(playground: Playground, visit: Visit) -> None:
    with visit("ana@example.test") as client:
        client.get("/social/me")
        before = playground.control("GET", "/requests")
        client.get("/social/profile.php?id=1")
        client.get("/static/social/home.js")
        after = playground.control("GET", f"/requests?since={before['last']}")
    assert before["by_path"] == {"/social/me": 1}
    assert after["total"] == 1
    assert after["by_path"] == {"/social/profile.php": 1}
    assert after["by_request"] == {"GET /social/profile.php?id=1 404": 1}


def test_calls_over_the_rate_are_refused_with_429(playground: Playground, visit: Visit) -> None:
    playground.control("POST", "/rate", per_second=2)
    with visit("ana@example.test") as client:
        answers = [client.post("/social/api/graphql") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [400, 400, 429]
    assert answers[2].headers["retry-after"] == "1"
    assert answers[2].json()["errors"][0]["code"] == 1675004
