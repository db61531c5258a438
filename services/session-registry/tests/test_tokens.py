"""One-time codes and tokens: sealed, replaced, read on record, forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.js.errors import NotFoundError as NoObjectsError
from posada_contracts import session as said
from posada_contracts.errors import ForgottenError, InvalidInputError, NotFoundError, TokenExpiredError
from posada_contracts.ids import session_id
from posada_contracts.streams import EVENT_SUBJECTS, SEALED
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore
from posada_runtime.vault import Vault
from posada_session_registry.handlers import SessionHandlers, TokenHandlers
from posada_session_registry.handlers.tokens import normal_totp
from posada_testkit.builders import TENANT, a_session

ON: dict[str, Any] = {"tenant": TENANT}
TOTP = "JBSWY3DPEHPK3PXP"


async def sealed(bus: Bus) -> list[str]:
    objects = await bus.js.object_store(SEALED)
    return [each.name.split("/")[2] for each in await objects.list() if not each.deleted]


def a_token(id: str, token: str = "token-1", lives: timedelta | None = None) -> said.StoreToken:
    expires_at = None if lives is None else datetime.now(UTC) + lives
    return said.StoreToken(**ON, session_id=id, token=token, expires_at=expires_at)


async def test_a_token_is_sealed_and_read_on_record(
    sessions: SessionHandlers, tokens: TokenHandlers, store: EventStore
) -> None:
    made = await sessions.create(a_session(owner="lucia", platform="hub"))
    command = a_token(made.id, lives=timedelta(hours=1))
    view = await tokens.store_token(command)
    assert (view.owner, view.platform, view.session_id, view.status) == ("lucia", "hub", made.id, "valid")
    assert view.expires_at == command.expires_at
    value = await tokens.read_token(said.ReadToken(**ON, session_id=made.id, actor="key-7"))
    assert (value.token, value.expires_at) == ("token-1", command.expires_at)
    found = [recorded async for recorded in store.read(EVENT_SUBJECTS)]
    assert [(each.type, each.actor) for each in found][-1] == ("session.token_read.v1", "key-7")
    assert "token-1" not in repr(found)


async def test_a_new_token_discards_the_one_before(sessions: SessionHandlers, tokens: TokenHandlers, bus: Bus) -> None:
    made = await sessions.create(a_session())
    second = a_token(made.id, "token-2")
    for command in (a_token(made.id), second, second):
        await tokens.store_token(command)
    assert await sealed(bus) == ["token"]
    assert (await tokens.read_token(said.ReadToken(**ON, session_id=made.id))).token == "token-2"


async def test_a_token_whose_time_is_over_is_not_given_out(
    sessions: SessionHandlers, tokens: TokenHandlers, store: EventStore
) -> None:
    made = await sessions.create(a_session())
    assert (await tokens.store_token(a_token(made.id, lives=-timedelta(seconds=1)))).status == "expired"
    assert (await tokens.get(said.GetToken(**ON, session_id=made.id))).status == "expired"
    with pytest.raises(TokenExpiredError):
        await tokens.read_token(said.ReadToken(**ON, session_id=made.id))
    assert await store.last_sequence() == 2


async def test_a_totp_secret_is_sealed_as_people_copy_it(
    sessions: SessionHandlers, tokens: TokenHandlers, vault: Vault, bus: Bus
) -> None:
    made = await sessions.create(a_session())
    for secret in ("MZXW6YTBOI MZXW6YTB", "jbsw y3dp ehpk 3pxp"):
        await tokens.store_totp(said.StoreTotp(**ON, session_id=made.id, secret=secret))
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=made.id))
    assert refs.totp is not None
    assert await vault.open(TENANT, made.id, refs.totp) == TOTP.encode()
    assert await sealed(bus) == ["totp"]


@pytest.mark.parametrize("secret", ["", "no base 32 at all!", "JBSW", "JBSWY3DPEHPK3PX1", "ñandú" * 9])
def test_what_is_no_totp_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        normal_totp(secret)
    assert not secret or secret not in caught.value.detail


async def test_erasing_forgets_token_and_codes(sessions: SessionHandlers, tokens: TokenHandlers, vault: Vault) -> None:
    made = await sessions.create(a_session(owner="lucia"))
    await tokens.store_token(a_token(made.id))
    await tokens.store_totp(said.StoreTotp(**ON, session_id=made.id, secret=TOTP))
    refs = await sessions.secrets(said.GetSecrets(**ON, session_id=made.id))
    await sessions.erase(said.EraseSession(**ON, session_id=made.id))
    for gone in (refs.token, refs.totp):
        assert gone is not None
        with pytest.raises(ForgottenError):
            await vault.open(TENANT, made.id, gone)
    await sessions.create(a_session(owner="lucia"))
    assert (await tokens.get(said.GetToken(**ON, session_id=made.id))).status == "none"


async def test_where_there_is_no_session_there_is_no_token(tokens: TokenHandlers, store: EventStore, bus: Bus) -> None:
    nobody = session_id(TENANT, "nobody", "hub")
    for attempt in (
        tokens.store_token(a_token(nobody)),
        tokens.store_totp(said.StoreTotp(**ON, session_id=nobody, secret=TOTP)),
        tokens.read_token(said.ReadToken(**ON, session_id=nobody)),
        tokens.get(said.GetToken(**ON, session_id=nobody)),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    assert await store.last_sequence() == 0
    with pytest.raises(NoObjectsError):
        await sealed(bus)
