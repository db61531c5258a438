"""The Facebook adapter on a look-alike, in a real Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from posada_playground.child import Playground
from posada_scraper.platforms.base import (
    Harvest,
    LoginEndedError,
    Order,
    Record,
    SiteUnavailableError,
    TargetNotFoundError,
)
from posada_scraper.platforms.facebook import Facebook, number_in
from posada_scraper.platforms.sitedata import load

pytestmark = pytest.mark.e2e

DATA = load("facebook")
QUICK = msgspec.structs.replace(
    DATA, pace=msgspec.structs.replace(DATA.pace, min_delay_s=0, first_pause_s=0.02, longest_pause_s=0.1, stall_s=3)
)


class Told:
    """Everything that was reported."""

    def __init__(self) -> None:
        self.said: list[tuple[int, int | None, str]] = []

    async def __call__(self, done: int, total: int | None, note: str) -> None:
        self.said.append((done, total, note))


def at(playground: Playground) -> Facebook:
    return Facebook(f"{playground.url}/social", QUICK)


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait for a state."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  the playground is another process: it has no event to wait for
            await asyncio.sleep(0.01)


async def scraped(playground: Playground, context: Any, kind: str, target: str = "") -> list[Record]:
    harvest = Harvest(Told())
    page = await (await context(playground)).new_page()
    await at(playground).scrape(Order(kind, target), page, harvest)
    return harvest.records


async def test_all_340_friends_come_with_both_kinds_of_links(playground: Playground, context: Any) -> None:
    told = Told()
    harvest = Harvest(told)
    page = await (await context(playground)).new_page()
    await at(playground).scrape(Order("friends", "lucia.fernandez"), page, harvest)
    assert len(harvest.records) == 340
    assert harvest.total == 340
    by_id = [friend for friend in harvest.records if friend["id"]]
    by_username = [friend for friend in harvest.records if friend["username"]]
    assert by_id
    assert by_username
    assert len(by_id) + len(by_username) == 340
    assert all(friend["name"] and friend["url"].startswith(playground.url) for friend in harvest.records)
    assert not {"No Me Visites", "Seguros Sur"} & {friend["name"] for friend in harvest.records}
    assert [done for done, _, _ in told.said] == [*range(24, 340, 24), 340]


@pytest.mark.parametrize(("target", "friends"), [("mateo.ibarra", 48), ("irene.soto", 0)])
async def test_lists_that_end_at_a_page_s_edge_or_at_once(
    playground: Playground, context: Any, target: str, friends: int
) -> None:
    assert len(await scraped(playground, context, "friends", target)) == friends


async def test_a_profile_by_username_and_by_id_is_the_same(playground: Playground, context: Any) -> None:
    (by_name,) = await scraped(playground, context, "profile", "lucia.fernandez")
    (by_id,) = await scraped(playground, context, "profile", by_name["id"])
    assert by_id == by_name
    assert by_name["name"] == "Lucía Fernández Ortega"
    assert by_name["username"] == "lucia.fernandez"
    assert by_name["friends_count"] == 340
    assert by_name["city"] not in (None, "Ninguna Parte")
    assert by_name["work"]
    assert by_name["bio"]
    assert by_name["url"] == f"{playground.url}/social/lucia.fernandez"


async def test_a_profile_without_a_username_has_its_id_alone(playground: Playground, context: Any) -> None:
    friends = await scraped(playground, context, "friends", "lucia.fernandez")
    nameless = next(friend for friend in friends if friend["id"])
    (profile,) = await scraped(playground, context, "profile", nameless["id"])
    assert (profile["id"], profile["username"], profile["name"]) == (nameless["id"], None, nameless["name"])


async def test_profile_and_friends_come_in_one_job(playground: Playground, context: Any) -> None:
    records = await scraped(playground, context, "profile_and_friends", "mateo.ibarra")
    assert [record["kind"] for record in records] == ["profile", *["friend"] * 48]


async def test_nobody_by_that_name_is_said_so(playground: Playground, context: Any) -> None:
    for kind in ("profile", "friends"):
        with pytest.raises(TargetNotFoundError):
            await scraped(playground, context, kind, "nobody.at.all")


async def test_the_doctor_finds_every_selector_of_the_data_file(playground: Playground, context: Any) -> None:
    records = await scraped(playground, context, "doctor")
    assert {(record["page"], record["name"]) for record in records} == {
        (page, name) for page, selectors in DATA.selectors.items() for name in selectors
    }
    assert [record for record in records if not record["ok"]] == []
    assert all(record["hits"] > 0 for record in records if record["name"] == "card")


async def test_a_second_look_takes_nothing_twice(playground: Playground, context: Any) -> None:
    harvest = Harvest(Told())
    pages = await context(playground)
    await at(playground).scrape(Order("friends", "mateo.ibarra"), await pages.new_page(), harvest)
    await at(playground).scrape(Order("friends", "mateo.ibarra"), await pages.new_page(), harvest)
    assert len(harvest.records) == 48


@pytest.mark.parametrize(("fault", "code"), [("expire", "login_expired"), ("lock", "account_banned")])
async def test_a_login_that_ends_while_scrolling_is_noticed(
    start: Callable[..., Playground], context: Any, fault: str, code: str
) -> None:
    playground = start(page_delay_ms=0, calls_per_second=1000)
    page = await (await context(playground)).new_page()

    async def after_the_first_page(done: int, total: int | None, note: str) -> None:
        if done == 24:
            playground.control("POST", f"/accounts/ana@example.test/{fault}")

    with pytest.raises(LoginEndedError) as ended:
        await at(playground).scrape(Order("friends", "lucia.fernandez"), page, Harvest(after_the_first_page))
    assert ended.value.failure == code
    assert ended.value.evidence
    assert "=%2F" not in ended.value.evidence.url  # where it would have led is a query value


async def test_a_page_that_left_between_two_looks_is_not_the_end_of_the_list(
    start: Callable[..., Playground], context: Any
) -> None:
    playground = start(page_delay_ms=0, calls_per_second=1000)
    page = await (await context(playground)).new_page()

    async def leave_after_the_first_page(done: int, total: int | None, note: str) -> None:
        if done == 24:
            playground.control("POST", "/accounts/ana@example.test/expire")
            await page.goto(f"{playground.url}/social/")

    with pytest.raises(LoginEndedError):
        await at(playground).scrape(Order("friends", "lucia.fernandez"), page, Harvest(leave_after_the_first_page))


async def test_an_outage_in_the_middle_of_the_list_is_waited_out(
    start: Callable[..., Playground], context: Any
) -> None:
    playground = start(page_delay_ms=0, calls_per_second=1000)
    page = await (await context(playground)).new_page()

    async def after_the_first_page(done: int, total: int | None, note: str) -> None:
        if done == 24:
            playground.control("POST", "/down", seconds=1)

    harvest = Harvest(after_the_first_page)
    await at(playground).scrape(Order("friends", "lucia.fernandez"), page, harvest)
    assert len(harvest.records) == 340


async def test_a_site_that_stays_down_is_given_up(start: Callable[..., Playground], context: Any) -> None:
    playground = start(page_delay_ms=0)
    page = await (await context(playground)).new_page()
    playground.control("POST", "/down", seconds=600)
    with pytest.raises(SiteUnavailableError) as given_up:
        await at(playground).scrape(Order("friends", "lucia.fernandez"), page, Harvest(Told()))
    assert given_up.value.evidence
    assert given_up.value.evidence.status == 503
    assert (await at(playground).probe_page(page)).verdict == "unknown"


async def test_a_short_outage_is_waited_out(start: Callable[..., Playground], context: Any) -> None:
    playground = start(page_delay_ms=0)
    page = await (await context(playground)).new_page()
    playground.control("POST", "/down", seconds=600)
    loading = asyncio.create_task(at(playground).probe_page(page))
    await until(lambda: playground.control("GET", "/requests")["by_request"].get("GET /social/ 503"))
    playground.control("POST", "/down", seconds=0)
    assert (await loading).verdict == "valid"


async def test_the_browser_s_probe_knows_valid_expired_and_banned(playground: Playground, context: Any) -> None:
    seen = {}
    for email, expired in (("ana@example.test", False), ("ana@example.test", True), ("carla@example.test", False)):
        page = await (await context(playground, email, expired=expired)).new_page()
        check = await at(playground).probe_page(page)
        seen[check.verdict] = check.evidence.marker
    assert seen == {"valid": "own_account", "expired": "login_page", "banned": "checkpoint"}


@pytest.mark.parametrize(
    ("text", "number"), [("340 amigos", 340), ("1.234 amigos", 1234), ("1,234 friends", 1234), ("", None), (None, None)]
)
def test_numbers_are_read_in_both_languages(text: str | None, number: int | None) -> None:
    assert number_in(text) == number
