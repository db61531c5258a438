"""A login that a browser saved is checked at once, where that is worth it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from posada_contracts.session import CreateSession, GetSession, SessionView, StoreCredentials
from posada_contracts.streams import of_aggregate
from posada_testkit.faults import wait_until

pytestmark = [pytest.mark.e2e]
TENANT = "acme"


async def without_login(house: Any) -> SessionView:
    made: SessionView = await house.bus.ask(
        CreateSession(tenant=TENANT, owner=secrets.token_hex(4), platform="facebook")
    )
    return made


async def saved_by_a_browser(house: Any, session: SessionView, account: str, *, expired: bool = False) -> None:
    """What a runner does when a person has logged in by hand."""
    state = house.playground.control("POST", "/login", email=f"{account}@example.test", expired=expired)
    await house.bus.ask(
        StoreCredentials(
            tenant=TENANT, session_id=session.id, storage_state=state, source="browser", generation=1, actor="runner:r"
        )
    )


async def becomes(house: Any, session: SessionView, status: str) -> SessionView:
    async def look() -> SessionView | None:
        now: SessionView = await house.bus.ask(GetSession(tenant=TENANT, session_id=session.id))
        return now if now.status == status else None

    seen = await wait_until(look, f"the session becomes {status}", within_s=20, poll_s=0.05)
    assert seen is not None
    return seen


async def said(house: Any, session: SessionView) -> list[str]:
    return [r.type async for r in house.store.read(of_aggregate(TENANT, "session", session.id))]


async def test_a_login_made_by_hand_makes_the_session_active(house: Any) -> None:
    session = await without_login(house)
    await saved_by_a_browser(house, session, "ana")
    seen = await becomes(house, session, "active")
    assert seen.validated_at is not None
    assert not house.browser_processes(session), "nobody opened a browser for it"


async def test_one_that_does_not_work_yet_changes_nothing(house: Any) -> None:
    session, other = await without_login(house), await without_login(house)
    await saved_by_a_browser(house, session, "bruno", expired=True)
    await saved_by_a_browser(house, other, "ana")
    await becomes(house, other, "active")
    assert await said(house, session) == ["session.created.v1", "session.credentials_stored.v1"]
    await saved_by_a_browser(house, session, "bruno")
    await becomes(house, session, "active")


async def test_what_an_active_session_s_browser_saves_is_taken_as_it_is(house: Any) -> None:
    session = await without_login(house)
    await saved_by_a_browser(house, session, "ana")
    await becomes(house, session, "active")
    before = await said(house, session)
    await saved_by_a_browser(house, session, "ana")
    other = await without_login(house)
    await saved_by_a_browser(house, other, "ana")
    await becomes(house, other, "active")  # the queue has gone past the one before
    assert await said(house, session) == [*before, "session.credentials_stored.v1"]


async def test_what_a_person_gave_waits_for_somebody_to_ask(house: Any) -> None:
    session = await house.session("ana")
    other = await without_login(house)
    await saved_by_a_browser(house, other, "ana")
    await becomes(house, other, "active")
    assert await said(house, session) == ["session.created.v1"]
