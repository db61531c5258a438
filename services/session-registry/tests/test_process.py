"""The registry as its own process: it starts alone, answers, sweeps, forgets and stops in time."""

from __future__ import annotations

import asyncio
import stat
import time
from collections import Counter
from typing import Any

import msgspec
import pytest
from posada_contracts import session as said
from posada_contracts.access import IssueKey, KeyIssued, RevokeKey
from posada_contracts.errors import ConflictError, ForgottenError, NotFoundError
from posada_contracts.house import HOUSE, AuditLog, GetCounts, RegistryHealth, ReplayReadModels
from posada_contracts.streams import EVENT_SUBJECTS, of_kind
from posada_embedded.nats import NatsServer
from posada_embedded.postgres import PostgresServer
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import Vault, master_key
from posada_testkit.builders import TENANT, a_session, a_storage_state
from posada_testkit.faults import files_with, wait_until
from posada_testkit.services import ServiceProcess, Starts

HOUSE_ON: dict[str, Any] = {"tenant": HOUSE}
PLANTED = "planted-cookie-7d1f0a", "planted-password-93bc"


async def events(store: EventStore) -> list[tuple[str, str]]:
    """(session id, what happened) of all sessions."""
    return [
        (recorded.event.originator_id, recorded.type.split(".")[1]) async for recorded in store.read(of_kind("session"))
    ]


async def test_the_first_admin_key_is_shown_once_and_left_readable_by_its_owner_alone(
    registry: Starts, common_settings: CommonSettings, store: EventStore
) -> None:
    file = common_settings.data / "admin.key"
    async with registry() as first:
        key = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert first.out.count(key) == 1
        assert key not in first.log
        assert await first.stop() == 0
    async with registry() as second:
        assert second.out == ""
        assert await second.stop() == 0
    (issued,) = [recorded.event async for recorded in store.read(of_kind("key"))]
    assert isinstance(issued, KeyIssued)
    assert (issued.tenant, issued.role) == (HOUSE, "admin")
    assert key.startswith(f"psd_{issued.originator_id}_")
    assert file.read_text() == key


async def test_two_first_starts_at_once_make_one_admin_key(
    registry: Starts, common_settings: CommonSettings, store: EventStore
) -> None:
    async with registry(wait=False) as one, registry(wait=False) as two:
        await asyncio.gather(one.serving(), two.serving())
        said = [process.out for process in (one, two)]
    (issued,) = [recorded.event async for recorded in store.read(of_kind("key"))]
    key = (common_settings.data / "admin.key").read_text()
    assert key.startswith(f"psd_{issued.originator_id}_")
    assert any(said)
    assert all(key in text for text in said if text)


async def test_it_obeys_sigterm_in_time_and_finishes_what_has_begun(registry: Starts, bus: Bus) -> None:
    async with registry() as process:
        asking = [asyncio.create_task(bus.ask(a_session())) for _ in range(50)]
        await asking[0]
        began = time.monotonic()
        assert await process.stop() == 0
        assert time.monotonic() - began < 6
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(each) for each in answers] == [said.SessionView] * 50
        assert "Traceback" not in process.log


async def test_it_starts_before_postgres_and_waits_for_it(
    registry: Starts, bus: Bus, own_postgres: PostgresServer
) -> None:
    await own_postgres.stop()
    async with registry(postgres_dsn=own_postgres.dsn):
        made = await bus.ask(a_session())
        health = await bus.ask(RegistryHealth(**HOUSE_ON), timeout=10)
        assert health.checks["database"].status == "error"
        await own_postgres.start()
        page = await bus.ask(said.ListSessions(tenant=TENANT), timeout=10, patience=20)
        assert [each.id for each in page.items] == [made.id]


async def test_what_was_acknowledged_is_in_the_next_list(registry: Starts, bus: Bus) -> None:
    async with registry():
        await bus.ask(said.ListSessions(tenant=TENANT), patience=10)
        for number in range(1, 21):
            made = await bus.ask(a_session())
            page = await bus.ask(said.ListSessions(tenant=TENANT))
            assert page.items[0] == made
            assert len(page.items) == number


async def test_pages_of_a_list_join_without_gap_or_double(registry: Starts, bus: Bus) -> None:
    async with registry():
        made = [await bus.ask(a_session(platform="hub" if n % 3 == 0 else "carabook")) for n in range(25)]
        await bus.ask(a_session(tenant="globex"))
        seen, cursor = [], None
        while True:
            page = await bus.ask(said.ListSessions(tenant=TENANT, limit=4, cursor=cursor), patience=10)
            seen += [each.id for each in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [each.id for each in reversed(made)]
        hub = await bus.ask(said.ListSessions(tenant=TENANT, platform="hub", status="created"))
        assert len(hub.items) == 9
        one = await bus.ask(said.ListSessions(tenant=TENANT, owner=made[3].owner))
        assert [each.id for each in one.items] == [made[3].id]


async def test_counts_audit_replay_and_health_answer(registry: Starts, bus: Bus) -> None:
    async with registry():
        for _ in range(3):
            made = await bus.ask(a_session())
        await bus.ask(said.EraseSession(tenant=TENANT, session_id=made.id), timeout=10)
        await bus.ask(said.ListSessions(tenant=TENANT), patience=10)
        counts = await bus.ask(GetCounts(tenant=TENANT))
        assert counts.sessions == {"created": 2}
        assert counts.projected == counts.logged
        assert (await bus.ask(AuditLog(**HOUSE_ON))).faults == []
        assert (await bus.ask(ReplayReadModels(**HOUSE_ON, swap=True), timeout=20)).equal
        assert (await bus.ask(RegistryHealth(**HOUSE_ON))).checks["database"].status == "ok"
        assert len((await bus.ask(said.ListSessions(tenant=TENANT))).items) == 2


async def test_a_key_is_issued_with_its_secret_and_revoked_for_good(registry: Starts, bus: Bus) -> None:
    async with registry():
        new = await bus.ask(IssueKey(tenant="globex", role="viewer", label="wall display"))
        repeated = IssueKey(tenant="globex", role="viewer")
        await bus.ask(repeated)
        with pytest.raises(ConflictError, match="issued already"):
            await bus.ask(repeated)
        assert (new.key.tenant, new.key.role, new.key.revoked) == ("globex", "viewer", False)
        for _ in range(2):
            assert (await bus.ask(RevokeKey(tenant="globex", key_id=new.key.id))).revoked
        with pytest.raises(NotFoundError):
            await bus.ask(RevokeKey(tenant=TENANT, key_id=new.key.id))


async def test_idle_sessions_expire_once_though_two_registries_sweep(
    registry: Starts, bus: Bus, store: EventStore
) -> None:
    tiny = {"idle_days": 1e-9, "sweep_seconds": 0.1}
    async with registry(**tiny), registry(**tiny):
        made = [await bus.ask(a_session()) for _ in range(30)]

        async def expired() -> Counter[str]:
            return Counter(session for session, what in await events(store) if what == "expired")

        async def all_of_them() -> bool:
            return len(await expired()) == len(made)

        await wait_until(all_of_them, "all idle sessions expire", within_s=20)
        page = await bus.ask(said.ListSessions(tenant=TENANT, status="expired", limit=200), patience=5)
        assert len(page.items) == 30
        assert set((await expired()).values()) == {1}


async def test_sessions_in_use_do_not_expire(registry: Starts, bus: Bus, store: EventStore) -> None:
    async with registry(idle_days=1, sweep_seconds=0.05) as process:
        await bus.ask(a_session())
        await bus.ask(said.ListSessions(tenant=TENANT), patience=10)
        await asyncio.sleep(0.5)
        assert [what for _, what in await events(store)] == ["created"]
        assert process.code is None


@pytest.mark.fault
async def test_a_killed_registry_loses_nothing_it_acknowledged(registry: Starts, bus: Bus, store: EventStore) -> None:
    acknowledged: list[str] = []

    async def create() -> None:
        for _ in range(15):
            acknowledged.append((await bus.ask(a_session(), timeout=1, patience=30)).id)

    async with registry() as first:
        writing = asyncio.gather(*(create() for _ in range(4)))
        await wait_until(lambda: len(acknowledged) > 10, "some are acknowledged")
        await first.kill()
        async with registry():
            await writing
            page = await bus.ask(said.ListSessions(tenant=TENANT, limit=200), patience=10)
            assert {each.id for each in page.items} >= set(acknowledged)
            made = Counter(await events(store))
            assert set(made.values()) == {1}
            assert (await bus.ask(AuditLog(**HOUSE_ON))).faults == []
            assert (await bus.ask(ReplayReadModels(**HOUSE_ON), timeout=20)).equal


async def test_an_erased_session_leaves_no_secret_on_any_disk(
    registry: Starts,
    bus: Bus,
    common_settings: CommonSettings,
    own_nats: NatsServer,
    postgres_server: PostgresServer,
) -> None:
    cookie, password = PLANTED
    login = a_storage_state(cookie)
    made_of = {"owner": "anna", "storage_state": login, "proxy_url": f"http://user:{password}@127.0.0.1:1"}
    async with registry() as process:
        made = await bus.ask(a_session(**made_of))
        refs = await bus.ask(said.GetSecrets(tenant=TENANT, session_id=made.id))
        vault = await Vault.open_up(bus, master_key(common_settings))
        assert refs.credentials is not None
        assert msgspec.json.decode(await vault.open(TENANT, made.id, refs.credentials)) == login
        await bus.ask(said.ListSessions(tenant=TENANT), patience=10)
        check_disks(process, own_nats, postgres_server, common_settings)
        for _ in range(2):
            view = await bus.ask(said.EraseSession(tenant=TENANT, session_id=made.id), timeout=10)
            assert view.status == "erased"
        with pytest.raises(ForgottenError):
            await vault.open(TENANT, made.id, refs.credentials)
        assert (await bus.ask(said.ListSessions(tenant=TENANT))).items == []
        again = await bus.ask(a_session(**made_of))
        assert (again.id, again.status) == (made.id, "created")
        await process.stop()
        check_disks(process, own_nats, postgres_server, common_settings)


def check_disks(
    process: ServiceProcess, nats: NatsServer, postgres: PostgresServer, common_settings: CommonSettings
) -> None:
    needles = [secret.encode() for secret in PLANTED]
    assert files_with(nats.data_dir, b"evt."), "the test looks in the right place"
    for directory in (nats.data_dir, postgres.cluster_dir, common_settings.data):
        assert files_with(directory, *needles) == []
    assert not any(secret in process.log + process.out for secret in PLANTED)


async def test_every_event_names_who_asked(registry: Starts, bus: Bus, store: EventStore) -> None:
    async with registry():
        await bus.ask(a_session(actor="key:7"))
    actors = {recorded.actor async for recorded in store.read(EVENT_SUBJECTS)}
    assert actors == {"key:7", "system"}
