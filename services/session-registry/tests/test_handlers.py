"""Commands through the real handlers, log and vault; every outcome is looked at in the log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from posada_contracts import session as said
from posada_contracts.browser import BrowserClosed, BrowserOpened, CleanBrowser
from posada_contracts.errors import (
    ForgottenError,
    InvalidInputError,
    NotFoundError,
    SessionExistsError,
    StaleLeaseError,
)
from posada_contracts.ids import session_id
from posada_contracts.session import Step
from posada_contracts.streams import EVENT_SUBJECTS, SEALED
from posada_runtime.audit import audit
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore, Tail
from posada_runtime.service import Platform, Service
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import Vault
from posada_session_registry.handlers import SessionHandlers
from posada_session_registry.handlers.sessions import masked
from posada_testkit.builders import TENANT, a_session, a_storage_state, some_evidence

ON: dict[str, Any] = {"tenant": TENANT}


async def types(store: EventStore) -> list[str]:
    return [recorded.type.split(".")[1] async for recorded in store.read(EVENT_SUBJECTS)]


async def get(sessions: SessionHandlers, id: str) -> said.SessionView:
    return await sessions.get(said.GetSession(**ON, session_id=id))


async def sealed(bus: Bus) -> int:
    """How many ciphertexts there are."""
    objects = await bus.js.object_store(SEALED)
    return len([each for each in await objects.list() if not each.deleted])


def a_captured(id: str, number: int, **more: Any) -> said.StoreCredentials:
    """A login that a session's browser holds."""
    login = a_storage_state(f"c{number}")
    return said.StoreCredentials(**ON, session_id=id, storage_state=login, source="browser", generation=number, **more)


async def test_a_session_is_created_with_its_secrets_sealed(sessions: SessionHandlers, vault: Vault) -> None:
    login, proxy = a_storage_state("c1"), "http://user:pass@127.0.0.1:8080"
    command = a_session(owner="anna", storage_state=login, proxy_url=proxy, labels={"a": "b"}, user_agent="Agent/1")
    view = await sessions.create(command)
    assert view.id == session_id(TENANT, "anna", "carabook")
    assert (view.status, view.has_credentials, view.browser, view.version) == ("created", True, "none", 1)
    assert (view.proxy_url, view.user_agent) == ("http://user:***@127.0.0.1:8080", "Agent/1")
    assert await get(sessions, view.id) == view
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=view.id))
    assert refs.credentials is not None
    assert refs.proxy is not None
    assert msgspec.json.decode(await vault.open(TENANT, view.id, refs.credentials)) == login
    assert await vault.open(TENANT, view.id, refs.proxy.secret) == proxy.encode()


async def test_of_many_creates_at_once_one_wins_every_time(sessions: SessionHandlers, store: EventStore) -> None:
    for round_ in range(30):
        commands = [a_session(owner=f"anna-{round_}", labels={"n": str(number)}) for number in range(4)]
        results = await asyncio.gather(*map(sessions.create, commands), return_exceptions=True)
        views = [each for each in results if isinstance(each, said.SessionView)]
        refused = [each for each in results if isinstance(each, SessionExistsError)]
        assert (len(views), len(refused)) == (1, 3)
        assert await get(sessions, views[0].id) == views[0]
        assert {each.extra["session_id"] for each in refused} == {views[0].id}
    assert await store.last_sequence() == 30


async def test_the_loser_of_a_race_leaves_no_ciphertext_behind(sessions: SessionHandlers, bus: Bus) -> None:
    commands = [a_session(owner="anna", storage_state=a_storage_state(f"c{n}")) for n in range(5)]
    await asyncio.gather(*map(sessions.create, commands), return_exceptions=True)
    assert await sealed(bus) == 1


async def test_a_repeated_create_answers_the_same_and_another_one_is_refused(sessions: SessionHandlers) -> None:
    command = a_session(owner="anna")
    assert await sessions.create(command) == await sessions.create(command)
    with pytest.raises(SessionExistsError) as caught:
        await sessions.create(a_session(owner="anna"))
    assert caught.value.extra == {"session_id": session_id(TENANT, "anna", "carabook")}


async def test_the_same_owner_elsewhere_is_another_session(sessions: SessionHandlers) -> None:
    views = [
        await sessions.create(a_session(owner="anna")),
        await sessions.create(a_session(owner="anna", platform="hub")),
        await sessions.create(a_session(owner="anna", tenant="globex")),
    ]
    assert len({view.id for view in views}) == 3
    with pytest.raises(NotFoundError):
        await get(sessions, views[2].id)


async def test_a_change_changes_only_what_it_names(sessions: SessionHandlers, vault: Vault) -> None:
    made = await sessions.create(a_session(proxy_url="http://u:p@127.0.0.1:1", user_agent="Agent/1", labels={"a": "b"}))
    view = await sessions.change(
        said.ChangeSession(**ON, session_id=made.id, fields=["labels", "priority"], labels={}, priority="vip")
    )
    assert (view.labels, view.priority, view.user_agent, view.proxy_url) == ({}, "vip", "Agent/1", made.proxy_url)
    view = await sessions.change(
        said.ChangeSession(**ON, session_id=made.id, fields=["proxy_url"], proxy_url="socks5://127.0.0.1:9")
    )
    assert view.proxy_url == "socks5://127.0.0.1:9"
    view = await sessions.change(said.ChangeSession(**ON, session_id=made.id, fields=["proxy_url", "user_agent"]))
    assert (view.proxy_url, view.user_agent, view.version) == (None, None, 4)


async def test_three_versions_of_a_login_are_kept_and_the_fourth_pushes_out_the_first(
    sessions: SessionHandlers, vault: Vault, bus: Bus
) -> None:
    made = await sessions.create(a_session(storage_state=a_storage_state("c0")))
    disk = await vault.seal(TENANT, made.id, "profile", b"of c1")
    for number, profile in ((1, disk), (2, None)):
        await sessions.store_credentials(a_captured(made.id, number, profile=profile))
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=made.id))
    assert [login.profile for login in refs.logins] == [None, disk, None]
    opened = [msgspec.json.decode(await vault.open(TENANT, made.id, login.state)) for login in refs.logins]
    assert opened == [a_storage_state(f"c{number}") for number in range(3)]
    for number in (3, 4):
        await sessions.store_credentials(a_captured(made.id, number))
    for gone in (refs.logins[0].state, refs.logins[1].state, disk):
        with pytest.raises(ForgottenError):
            await vault.open(TENANT, made.id, gone)
    assert await sealed(bus) == 3


async def test_a_repeated_store_of_a_login_stores_it_once(sessions: SessionHandlers, bus: Bus) -> None:
    made = await sessions.create(a_session(storage_state=a_storage_state("c0")))
    command = a_captured(made.id, 1)
    for _ in range(4):
        await sessions.store_credentials(command)
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=made.id))
    assert len(refs.logins) == await sealed(bus) == 2


async def test_a_browser_that_was_logged_out_leaves_an_empty_login(sessions: SessionHandlers, vault: Vault) -> None:
    made = await sessions.create(a_session(storage_state=a_storage_state("c0")))
    empty: dict[str, Any] = {"cookies": [], "origins": []}
    command = said.StoreCredentials(**ON, session_id=made.id, storage_state=empty, source="browser", generation=1)
    await sessions.store_credentials(command)
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=made.id))
    assert refs.credentials == refs.logins[-1].state
    assert msgspec.json.decode(await vault.open(TENANT, made.id, refs.logins[-1].state)) == empty


async def test_a_profile_of_another_session_is_refused(sessions: SessionHandlers, vault: Vault, bus: Bus) -> None:
    made, other = await sessions.create(a_session()), await sessions.create(a_session(proxy_url="http://127.0.0.1:1"))
    disk = await vault.seal(TENANT, other.id, "profile", b"of another")
    with pytest.raises(InvalidInputError):
        await sessions.store_credentials(a_captured(made.id, 1, profile=disk))
    assert await vault.open(TENANT, other.id, disk) == b"of another"


async def test_a_login_from_a_browser_that_was_replaced_is_refused(
    sessions: SessionHandlers, store: EventStore, bus: Bus
) -> None:
    made = await sessions.create(a_session())

    def captured(generation: int) -> said.StoreCredentials:
        login = a_storage_state(f"of {generation}")
        return said.StoreCredentials(
            **ON, session_id=made.id, storage_state=login, source="browser", generation=generation
        )

    await sessions.store_credentials(captured(7))
    with pytest.raises(StaleLeaseError):
        await sessions.store_credentials(captured(6))
    assert await types(store) == ["created", "credentials_stored"]
    assert await sealed(bus) == 1


async def test_verdicts_become_the_status(sessions: SessionHandlers, store: EventStore) -> None:
    made = await sessions.create(a_session())
    became = {"valid": "active", "expired": "expired", "banned": "banned", "unknown": "banned"}
    for verdict in get_args(said.Verdict):
        command = said.RecordVerdict(**ON, session_id=made.id, verdict=verdict, evidence=some_evidence(), probe="http")
        assert (await sessions.record_verdict(command)).status == became[verdict]
    assert await types(store) == ["created", "validated", "expired", "banned"]


async def test_a_hundred_touches_make_at_most_one_event(sessions: SessionHandlers, store: EventStore) -> None:
    made = await sessions.create(a_session())
    touches = [said.TouchSession(**ON, session_id=made.id) for _ in range(100)]
    await asyncio.gather(*map(sessions.touch, touches))
    assert await types(store) == ["created"]


async def test_a_hundred_touches_after_the_interval_make_one_event(
    sessions: SessionHandlers, store: EventStore, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await sessions.create(a_session())
    later = datetime.now(UTC) + timedelta(minutes=2)
    monkeypatch.setattr("posada_session_registry.handlers.sessions.now", lambda: later)
    await asyncio.gather(*(sessions.touch(said.TouchSession(**ON, session_id=made.id)) for _ in range(100)))
    assert await types(store) == ["created", "used"]
    assert (await audit(bus, EVENT_SUBJECTS)).faults == []


async def test_a_session_is_shown_as_it_was(sessions: SessionHandlers) -> None:
    made = await sessions.create(a_session(labels={"v": "1"}))
    await sessions.change(said.ChangeSession(**ON, session_id=made.id, fields=["labels"], labels={"v": "2"}))
    await sessions.erase(said.EraseSession(**ON, session_id=made.id))
    views = [
        await sessions.get(said.GetSession(**ON, session_id=made.id, as_of_sequence=number)) for number in (1, 2, 3)
    ]
    assert [(view.labels["v"], view.status) for view in views] == [("1", "created"), ("2", "created"), ("2", "erased")]
    at = await sessions.get(said.GetSession(**ON, session_id=made.id, as_of_time=made.created_at))
    assert at.version == 1
    before = made.created_at - timedelta(seconds=1)
    for query in (
        said.GetSession(**ON, session_id=made.id, as_of_time=before),
        said.GetSession(**ON, session_id=made.id, as_of_sequence=0),
    ):
        with pytest.raises(NotFoundError):
            await sessions.get(query)


async def test_an_open_browser_shows_on_its_session(sessions: SessionHandlers, store: EventStore) -> None:
    made = await sessions.create(a_session())
    who: dict[str, Any] = {"originator_id": made.id, "timestamp": made.created_at, "runner": "r1", "generation": 1}
    command = said.TouchSession(**ON, session_id=made.id)
    opened = await store.append(BrowserOpened(**who, originator_version=1, start_id="x", took_ms=1), command, Tail())
    assert (await get(sessions, made.id)).browser == "open"
    closed = BrowserClosed(**who, originator_version=2, reason="asked")
    other = said.TouchSession(**ON, session_id=made.id)
    await store.append(closed, other, Tail(opened.sequence, opened.digest))
    assert (await get(sessions, made.id)).browser == "none"


async def test_erasing_cleans_the_browser_first_and_tells_each_step(
    sessions: SessionHandlers, store: EventStore, bus: Bus, common_settings: CommonSettings
) -> None:
    made = await sessions.create(a_session())
    asked: list[str] = []

    async def clean(command: CleanBrowser) -> list[Step]:
        asked.append(command.session_id)
        return [Step(name="end_browser", detail="3 processes")]

    runner = Service(Platform(common_settings, "testkit", bus, store))
    runner.hear(CleanBrowser, clean)
    async with runner.serving():
        view = await sessions.erase(said.EraseSession(**ON, session_id=made.id))
    assert asked == [made.id]
    assert view.status == "erased"
    newest = await store.latest(TENANT, "session", made.id)
    assert newest is not None
    assert isinstance(newest.event, said.SessionErased)
    assert [step.name for step in newest.event.steps] == ["end_browser", "destroy_key"]


async def test_erasing_is_safe_to_repeat_and_the_place_can_be_taken_again(
    sessions: SessionHandlers, vault: Vault, store: EventStore
) -> None:
    made = await sessions.create(a_session(owner="anna", storage_state=a_storage_state("first life")))
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=made.id))
    assert refs.credentials is not None
    for _ in range(2):
        assert (await sessions.erase(said.EraseSession(**ON, session_id=made.id))).status == "erased"
    with pytest.raises(ForgottenError):
        await vault.open(TENANT, made.id, refs.credentials)
    for question in (sessions.secrets(said.GetSecrets(**ON, session_id=made.id)), get(sessions, made.id)):
        with pytest.raises(NotFoundError):
            await question
    login = a_storage_state("second life")
    again = await sessions.create(a_session(owner="anna", storage_state=login))
    assert (again.id, again.status, again.version) == (made.id, "created", 3)
    assert again.created_at > made.created_at
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=made.id))
    assert refs.credentials is not None
    assert msgspec.json.decode(await vault.open(TENANT, made.id, refs.credentials)) == login
    assert await types(store) == ["created", "erased", "recreated"]


async def test_what_is_not_there_cannot_be_worked_on(sessions: SessionHandlers, store: EventStore) -> None:
    nobody = {**ON, "session_id": session_id(TENANT, "nobody", "carabook")}
    for attempt in (
        sessions.erase(said.EraseSession(**nobody)),
        sessions.touch(said.TouchSession(**nobody)),
        sessions.change(said.ChangeSession(**nobody, fields=["labels"])),
        sessions.store_credentials(said.StoreCredentials(**nobody, storage_state={})),
        sessions.record_cleaned(said.RecordCleaned(**nobody, steps=[])),
        sessions.get(said.GetSession(**nobody)),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    assert await store.last_sequence() == 0


async def test_another_tenant_cannot_touch_a_session(sessions: SessionHandlers) -> None:
    made = await sessions.create(a_session())
    with pytest.raises(NotFoundError):
        await sessions.erase(said.EraseSession(tenant="globex", session_id=made.id))
    assert (await get(sessions, made.id)).status == "created"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:pass@127.0.0.1:8080", "http://user:***@127.0.0.1:8080"),
        ("http://user:p%40ss@127.0.0.1:8080/", "http://user:***@127.0.0.1:8080/"),
        ("http://user:p@ss@127.0.0.1:8080", "http://user:***@127.0.0.1:8080"),
        ("http://user@127.0.0.1:8080", "http://user@127.0.0.1:8080"),
        ("socks5://127.0.0.1:9050", "socks5://127.0.0.1:9050"),
        ("http://:secret@127.0.0.1:1", "http://:***@127.0.0.1:1"),
        ("http://u:p@127.0.0.1:1/?token=secret#secret", "http://u:***@127.0.0.1:1/"),
    ],
)
def test_a_proxys_password_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown
