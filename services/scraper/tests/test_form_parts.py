"""What a login through a form is made of: codes, tokens, data files, time-outs, places."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from posada_contracts.errors import InvalidInputError
from posada_scraper.forms.clock import Clock, LoginTimeoutError, StepTimeoutError, StoppedError
from posada_scraper.forms.codes import totp
from posada_scraper.forms.data import TokenPlace, parse
from posada_scraper.forms.executor import Executor
from posada_scraper.forms.tokens import Token, jwt_expiry, token_in
from posada_scraper.platforms.discovery import discover
from posada_scraper.platforms.forms import FormPlatform
from posada_scraper.platforms.hub import Hub
from posada_testkit.faults import wait_until

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RFC_6238 = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(at: int, code: str) -> None:
    assert totp(RFC_6238, at) == code


def test_a_secret_may_be_written_as_people_copy_it() -> None:
    assert totp(" gezd gnbv-gy3t qojq GEZDGNBVGY3TQOJQ==", 59) == "287082"


@pytest.mark.parametrize("secret", ["", "1", "not base 32!", "ñ"])
def test_what_is_no_secret_is_not_repeated(secret: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        totp(secret, 0)
    assert not secret or f"{secret} " not in f"{caught.value} "


def a_jwt(**claims: Any) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256'})}.{part(claims)}.c2lnbmF0dXJl"


IN_AN_HOUR = NOW + timedelta(hours=1)
JWT = a_jwt(exp=IN_AN_HOUR.timestamp())


@pytest.mark.parametrize(
    "token",
    ["", "opaque", "a.b.c", "a.!.c", a_jwt(), a_jwt(exp="soon"), a_jwt(exp=-1), a_jwt(exp=1e30), a_jwt(exp=True)],
)
def test_a_token_that_does_not_say_when_it_ends_has_no_end(token: str) -> None:
    assert jwt_expiry(token) is None


@pytest.mark.parametrize(
    ("place", "text", "token"),
    [
        ({"place": "cookie", "name": "t"}, JWT, Token(JWT, IN_AN_HOUR, "cookie")),
        ({"place": "local_storage", "name": "t"}, "opaque", Token("opaque", None, "local_storage")),
        ({"place": "cookie", "name": "t"}, "", None),
        ({"place": "cookie", "name": "t"}, None, None),
        (
            {"place": "response", "url": "x", "value": "a.token", "expires_in": "a.ttl"},
            json.dumps({"a": {"token": JWT, "ttl": 60}}),
            Token(JWT, NOW + timedelta(minutes=1), "response"),
        ),
        (
            {"place": "response", "url": "x", "value": "token", "expires_in": "ttl"},
            json.dumps({"token": JWT}),
            Token(JWT, IN_AN_HOUR, "response"),
        ),
        ({"place": "response", "url": "x", "value": "token"}, json.dumps({"token": None}), None),
        ({"place": "response", "url": "x", "value": "token"}, "<html>", None),
        ({"place": "response", "url": "x", "value": "a.b.c"}, "[1]", None),
    ],
)
def test_tokens_are_read_with_their_end(place: dict[str, Any], text: str | None, token: Token | None) -> None:
    assert token_in(TokenPlace(**place), text, NOW) == token


def test_a_token_does_not_show_itself() -> None:
    assert "opaque" not in repr(Token("opaque", None, "cookie"))


FILE = """
base_url = "https://portal.example"
[form]
path = "/entrar"
username = "#user"
password = "#pass"
submit = "#go"
refused = ".error"
[[tokens]]
place = "session_storage"
name = "jwt"
"""


def test_a_data_file_alone_makes_a_platform(tmp_path: Path) -> None:
    (tmp_path / "portal.toml").write_text(FILE)
    (tmp_path / "broken.toml").write_text(FILE.replace("username", "user_name"))
    found = discover({"portal": "http://127.0.0.1:9/portal/"}, tmp_path)
    portal = found["portal"]
    assert isinstance(portal, FormPlatform)
    assert (portal.name, portal.kinds, portal.probes) == ("portal", ["token"], [])
    assert portal.base_url == "http://127.0.0.1:9/portal"
    assert "broken" not in found
    assert isinstance(found["hub"], Hub)


@pytest.mark.parametrize(
    "content", [FILE.replace('name = "jwt"', ""), FILE.replace("session_storage", "moon"), FILE + "\nx = 1", "", "["]
)
def test_a_data_file_with_a_mistake_is_refused(content: str) -> None:
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)):
        parse(content.encode())


def test_a_form_takes_no_target() -> None:
    assert Hub().parse_target("token", " ") == ""
    with pytest.raises(InvalidInputError):
        Hub().parse_target("token", "lucia")


def run_out(clock: Clock) -> None:
    while True:
        clock.pause()


def test_a_step_ends_before_the_whole_and_the_whole_without_the_time_between() -> None:
    clock = Clock(step_s=0.05, whole_s=0.2)
    for _ in range(2):
        with clock.working():
            clock.step("one")
            with pytest.raises(StepTimeoutError, match="one"):
                run_out(clock)
    time.sleep(0.15)  # a person thinks; this does not count
    with clock.working():
        clock.step("two")
        with pytest.raises(StepTimeoutError):
            run_out(clock)
    clock = Clock(step_s=5, whole_s=0.05)
    with clock.working():
        clock.step("three")
        with pytest.raises(LoginTimeoutError, match="three"):
            run_out(clock)


def test_a_login_that_nobody_wants_ends_at_its_next_look() -> None:
    clock = Clock(60, 60)
    with clock.working():
        clock.step("one")
        threading.Timer(0.02, clock.stop).start()
        with pytest.raises(StoppedError):
            run_out(clock)


class Piece:
    """Work that goes on until it is told to end."""

    def __init__(self) -> None:
        self.began, self.end = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self.end.wait(20)
        return threading.current_thread().name


async def in_a_place(executor: Executor, piece: Piece) -> str:
    async with executor.place() as place:
        name = await place.run(piece, piece.end.set)
        place.ended(well=True)
        return name


async def test_two_places_are_worked_in_and_the_rest_waits_in_order() -> None:
    executor = Executor(2)
    pieces = [Piece() for _ in range(5)]
    tasks = [asyncio.create_task(in_a_place(executor, piece)) for piece in pieces]
    await wait_until(pieces[1].began.is_set, "two are at work")
    told = executor.figures()
    assert (told.workers, told.active, told.queued, told.done) == (2, 2, 3, 0)
    assert told.oldest_seconds > 0
    pieces[0].end.set()
    await wait_until(pieces[2].began.is_set, "the third begins")
    assert not pieces[3].began.is_set()
    for piece in pieces:
        piece.end.set()
    assert all(name.startswith("form") for name in await asyncio.gather(*tasks))
    told = executor.figures()
    assert (told.active, told.queued, told.done, told.oldest_seconds) == (0, 0, 5, 0.0)


async def test_who_waits_for_a_person_lets_others_have_the_place() -> None:
    executor = Executor(1)
    answered = asyncio.Event()

    async def waits() -> None:
        async with executor.place() as place, place.aside():
            await answered.wait()

    waiting = asyncio.create_task(waits())
    piece = Piece()
    piece.end.set()
    assert await in_a_place(executor, piece)
    assert executor.figures().active == 0
    answered.set()
    await waiting
    assert executor.figures().active == executor.figures().queued == 0


async def test_a_login_called_off_is_told_to_stop_and_keeps_its_place_until_it_has() -> None:
    executor = Executor(1)
    piece = Piece()
    task = asyncio.create_task(in_a_place(executor, piece))
    await wait_until(piece.began.is_set, "it works")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert piece.end.is_set()
    assert executor.figures().active == 0


async def test_who_is_called_off_while_queued_or_aside_leaves_nothing_behind() -> None:
    executor = Executor(1)
    first, queued = Piece(), Piece()
    working = asyncio.create_task(in_a_place(executor, first))
    await wait_until(first.began.is_set, "it works")
    waiting = asyncio.create_task(in_a_place(executor, queued))
    await wait_until(lambda: executor.figures().queued == 1, "the second waits")
    waiting.cancel()
    await asyncio.wait([waiting])
    first.end.set()
    await working

    async def leaves() -> None:
        async with executor.place() as place, place.aside():
            raise KeyError

    with pytest.raises(KeyError):
        await leaves()
    assert (executor.figures().active, executor.figures().queued) == (0, 0)
    queued.end.set()
    assert await in_a_place(executor, queued)


async def test_forms_do_not_hold_up_the_event_loop() -> None:
    executor = Executor(2)
    pieces = [Piece(), Piece()]
    tasks = [asyncio.create_task(in_a_place(executor, piece)) for piece in pieces]
    await wait_until(lambda: all(piece.began.is_set() for piece in pieces), "both work")
    worst = 0.0
    for _ in range(20):
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        worst = max(worst, time.perf_counter() - began)
    assert worst < 1, "blocked for as long as a form takes it would be many seconds"
    for piece in pieces:
        piece.end.set()
    await asyncio.gather(*tasks)
