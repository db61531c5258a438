"""The portal over plain HTTP: what it takes, what it refuses, and whose its tokens are."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pyotp
import pytest
from posada_playground.child import Playground, RefusedError

Start = Callable[..., Playground]


@pytest.fixture
def client(playground: Playground) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=playground.url, timeout=20) as client:
        yield client


def log_in(client: httpx.Client, username: str, password: str = "") -> httpx.Response:
    return client.post("/hub/login", data={"username": username, "password": password or f"clave-{username}"})


def enter(client: httpx.Client, code: str) -> httpx.Response:
    return client.post("/hub/mfa", data={"code": code})


def sms(playground: Playground) -> str:
    return str(playground.control("GET", "/hub/sms/sofia")["code"])


def totp(playground: Playground) -> pyotp.TOTP:
    secrets = {each["username"]: each["totp_secret"] for each in playground.control("GET", "/hub/accounts")}
    return pyotp.TOTP(secrets["marcos"])


def me(client: httpx.Client, token: str) -> httpx.Response:
    return client.get("/hub/api/me", headers={"Authorization": f"Bearer {token}"})


def token_of_lucia(client: httpx.Client) -> str:
    log_in(client, "lucia")
    found = re.search(r'"token":"([^"]+)"', client.get("/hub/app").text)
    assert found
    return found[1]


def test_control_tells_the_accounts(playground: Playground) -> None:
    accounts = {each["username"]: each for each in playground.control("GET", "/hub/accounts")}
    assert set(accounts) == {"lucia", "marcos", "sofia", "lenta", "bloqueada"}
    assert {name: each["token_in"] for name, each in accounts.items()} == {
        "lucia": "local_storage",
        "marcos": "cookie",
        "sofia": "response",
        "lenta": "local_storage",
        "bloqueada": "local_storage",
    }
    assert [name for name, each in accounts.items() if each["totp_secret"]] == ["marcos"]


@pytest.mark.parametrize(("username", "password"), [("lucia", "wrong"), ("nadie", "x"), ("bloqueada", "wrong")])
def test_a_wrong_password_stays_at_the_form_with_an_error(client: httpx.Client, username: str, password: str) -> None:
    answer = log_in(client, username, password)
    assert (answer.status_code, answer.url.path) == (200, "/hub/login")
    assert 'class="alert alert-error"' in answer.text
    assert not client.cookies


def test_a_locked_account_is_told_so(client: httpx.Client) -> None:
    answer = log_in(client, "bloqueada")
    assert re.search(r'class="alert alert-locked"[^>]*>Cuenta bloqueada<', answer.text)
    assert not client.cookies


def test_strangers_are_led_to_the_form_and_those_without_a_code_to_its_page(client: httpx.Client) -> None:
    for path in ("/hub/app", "/hub/mfa"):
        assert client.get(path).headers["location"] == "/hub/login"
    log_in(client, "sofia")
    assert client.get("/hub/app").headers["location"] == "/hub/mfa"
    assert client.post("/hub/api/session").status_code == 401


def test_the_token_is_a_jwt_that_only_its_maker_can_sign(client: httpx.Client) -> None:
    token = token_of_lucia(client)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("lucia", 3600)
    said = me(client, token).json()
    assert said == {"username": "lucia", "name": "Lucía Fernández", "expires_at": claims["exp"]}
    forged = jwt.encode({**claims, "sub": "marcos"}, "x" * 32, "HS256")
    unsigned = jwt.encode(claims, None, "none")
    for wrong in (forged, unsigned, token[:-4], "x"):
        refused = me(client, wrong)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")


def test_a_token_whose_time_is_over_is_refused_and_the_next_visit_has_a_new_one(
    playground: Playground, client: httpx.Client
) -> None:
    playground.control("POST", "/hub/token", seconds=1)
    old = token_of_lucia(client)
    ends = jwt.decode(old, options={"verify_signature": False})["exp"]
    while (answer := me(client, old)).status_code == 200:
        assert time.time() < ends + 5
        time.sleep(0.05)
    assert answer.json()["error"] == "expired_token"
    playground.control("POST", "/hub/token", seconds=600)
    assert me(client, token_of_lucia(client)).status_code == 200


def test_a_totp_code_lets_in_and_the_token_is_a_cookie(playground: Playground, client: httpx.Client) -> None:
    assert log_in(client, "marcos").headers["location"] == "/hub/mfa"
    assert enter(client, totp(playground).now()).headers["location"] == "/hub/app"
    answer = client.get("/hub/app")
    (line,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith("hub_token=")]
    assert "HttpOnly" in line
    assert client.cookies["hub_token"] not in answer.text
    assert me(client, client.cookies["hub_token"]).json()["username"] == "marcos"
    assert client.get("/hub/api/me").json()["username"] == "marcos", "the cookie alone is enough"


def test_wrong_codes_are_refused_and_after_five_the_login_begins_anew(
    playground: Playground, client: httpx.Client
) -> None:
    log_in(client, "marcos")
    far_off = totp(playground).at(int(time.time()) + 3600)
    for wrong in ("", "12345", "abcdef", far_off):
        answer = enter(client, wrong)
        assert (answer.status_code, "alert-error" in answer.text) == (200, True)
    assert enter(client, "1").headers["location"] == "/hub/login?caducada=true"
    assert enter(client, totp(playground).now()).headers["location"] == "/hub/login?caducada=true"


def test_a_clock_may_be_wrong_by_one_period(playground: Playground, client: httpx.Client) -> None:
    log_in(client, "marcos")
    now = int(time.time())
    off = now - 30 if now % 30 < 15 else now + 30  # the one that stays next to the present for longer
    assert enter(client, totp(playground).at(off)).headers["location"] == "/hub/app"


def test_a_strict_portal_takes_a_totp_code_once(playground: Playground, client: httpx.Client) -> None:
    playground.control("POST", "/hub/totp", once=True)
    code = totp(playground).now()
    log_in(client, "marcos")
    assert enter(client, code).headers["location"] == "/hub/app"
    log_in(client, "marcos")
    assert "alert-error" in enter(client, code).text


def test_a_code_by_sms_is_used_once_and_another_login_makes_it_worthless(
    playground: Playground, client: httpx.Client
) -> None:
    assert playground.control("GET", "/hub/sms/sofia") == {"username": "sofia", "code": None, "sent": 0}
    log_in(client, "sofia")
    old = sms(playground)
    log_in(client, "sofia")
    new = sms(playground)
    if old != new:
        assert "alert-error" in enter(client, old).text
    assert enter(client, f" {new[:3]} {new[3:]} ").headers["location"] == "/hub/app"
    assert playground.control("GET", "/hub/sms/sofia") == {"username": "sofia", "code": None, "sent": 2}
    log_in(client, "sofia")
    if sms(playground) != new:
        assert "alert-error" in enter(client, new).text


def test_the_token_of_sofia_is_in_one_answer_alone(playground: Playground, client: httpx.Client) -> None:
    log_in(client, "sofia")
    enter(client, sms(playground))
    page = client.get("/hub/app")
    assert "hub_token" not in client.cookies
    assert "eyJ" not in page.text
    said: dict[str, Any] = client.post("/hub/api/session").json()
    assert set(said) == {"access_token", "token_type", "expires_in"}
    assert me(client, said["access_token"]).json()["username"] == "sofia"


def test_others_get_no_token_from_the_session(client: httpx.Client) -> None:
    log_in(client, "lucia")
    assert client.post("/hub/api/session").status_code == 403


def test_each_step_of_a_slow_account_takes_as_long_as_it_is_told(playground: Playground, client: httpx.Client) -> None:
    playground.control("POST", "/hub/slow", ms=300)
    began = time.monotonic()
    log_in(client, "lenta")
    between = time.monotonic()
    assert client.get("/hub/app").status_code == 200
    assert between - began >= 0.3
    assert time.monotonic() - between >= 0.3


def test_logging_out_expiring_and_locking_end_a_login(playground: Playground, client: httpx.Client) -> None:
    log_in(client, "lucia")
    assert client.get("/hub/app").status_code == 200
    assert client.post("/hub/logout").headers["location"] == "/hub/login"
    assert client.get("/hub/app").status_code == 302
    log_in(client, "lucia")
    assert playground.control("POST", "/hub/accounts/lucia/expire")["expired_logins"] == 1
    assert client.get("/hub/app").status_code == 302
    log_in(client, "lucia")
    playground.control("POST", "/hub/accounts/lucia/lock")
    assert client.get("/hub/app").status_code == 302
    assert "alert-locked" in log_in(client, "lucia").text
    playground.control("POST", "/hub/accounts/lucia/unlock")
    assert log_in(client, "lucia").headers["location"] == "/hub/app"


def test_control_knows_no_other_accounts(playground: Playground) -> None:
    with pytest.raises(RefusedError, match="404"):
        playground.control("GET", "/hub/sms/nadie")
