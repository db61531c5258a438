"""The vault: what it seals opens for one session only, and for nobody once its key is destroyed."""

from __future__ import annotations

import asyncio
import secrets
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from posada_contracts.errors import BrokenSealError, ForgottenError, UnavailableError
from posada_contracts.streams import SEALED, SESSION_KEYS
from posada_embedded.nats import NatsServer
from posada_runtime.buckets import Bucket
from posada_runtime.bus import Bus, connect
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import BadMasterKeyError, Vault, master_key
from posada_testkit.builders import TENANT
from posada_testkit.faults import files_with
from posada_testkit.servers import settings_for
from pydantic import SecretStr

MASTER = bytes(range(32))


@pytest.fixture
async def vault(bus: Bus) -> Vault:
    return await Vault.open_up(bus, MASTER)


async def test_what_is_sealed_opens_again(vault: Vault) -> None:
    for plaintext in (b"a login", b"", secrets.token_bytes(700_000)):
        sealed = await vault.seal(TENANT, "s1", "credentials", plaintext, new_key=True)
        assert await vault.open(TENANT, "s1", sealed) == plaintext
        assert sealed.size > len(plaintext)


async def test_the_same_plaintext_seals_differently_each_time(vault: Vault) -> None:
    one, two = [await vault.seal(TENANT, "s1", "credentials", b"same", new_key=True) for _ in range(2)]
    assert one.digest != two.digest
    assert one.name != two.name


async def test_sealing_needs_a_key_that_only_the_owner_of_the_session_makes(vault: Vault) -> None:
    with pytest.raises(ForgottenError):
        await vault.seal(TENANT, "s1", "result", b"rows")


async def test_many_first_seals_at_once_agree_on_one_key(bus: Bus, vault: Vault) -> None:
    vaults = [vault, *[await Vault.open_up(bus, MASTER) for _ in range(4)]]
    sealed = await asyncio.gather(*(each.seal(TENANT, "s1", "x", b"me too", new_key=True) for each in vaults))
    assert [await vault.open(TENANT, "s1", each) for each in sealed] == [b"me too"] * 5


async def test_another_sessions_key_does_not_open_it(vault: Vault) -> None:
    sealed = await vault.seal(TENANT, "s1", "credentials", b"a login", new_key=True)
    await vault.seal(TENANT, "s2", "credentials", b"another", new_key=True)
    with pytest.raises(BrokenSealError):
        await vault.open(TENANT, "s2", sealed)
    with pytest.raises(ForgottenError):
        await vault.open("globex", "s1", sealed)


async def test_a_ciphertext_in_anothers_place_is_refused(bus: Bus, vault: Vault) -> None:
    old = await vault.seal(TENANT, "s1", "credentials", b"old login", new_key=True)
    new = await vault.seal(TENANT, "s1", "credentials", b"new login")
    objects = await bus.js.object_store(SEALED)
    swapped = (await objects.get(old.name)).data or b""
    await objects.put(new.name, swapped)
    with pytest.raises(BrokenSealError):
        await vault.open(TENANT, "s1", new)


async def test_a_changed_ciphertext_is_refused(bus: Bus, vault: Vault) -> None:
    sealed = await vault.seal(TENANT, "s1", "credentials", b"a login", new_key=True)
    objects = await bus.js.object_store(SEALED)
    ciphertext = bytearray((await objects.get(sealed.name)).data or b"")
    for damaged in (bytes(ciphertext[:-1]), bytes(ciphertext[:5]), b"", bytes(ciphertext[:-1]) + b"!"):
        await objects.put(sealed.name, damaged)
        with pytest.raises(BrokenSealError):
            await vault.open(TENANT, "s1", sealed)


async def test_another_master_key_opens_nothing(bus: Bus, vault: Vault) -> None:
    sealed = await vault.seal(TENANT, "s1", "credentials", b"a login", new_key=True)
    stranger = await Vault.open_up(bus, bytes(32))
    with pytest.raises(BrokenSealError):
        await stranger.open(TENANT, "s1", sealed)


async def test_a_wrapped_key_in_another_sessions_place_is_refused(bus: Bus, vault: Vault) -> None:
    sealed = await vault.seal(TENANT, "s1", "credentials", b"a login", new_key=True)
    keys = await Bucket.open(bus, SESSION_KEYS)
    wrapped = await keys.get(f"{TENANT}.s1")
    assert wrapped is not None
    await keys.put(f"{TENANT}.s2", wrapped)
    with pytest.raises(BrokenSealError):
        await vault.open(TENANT, "s2", sealed)


async def test_what_was_discarded_is_gone(vault: Vault) -> None:
    sealed = await vault.seal(TENANT, "s1", "credentials", b"a login", new_key=True)
    await vault.discard(sealed)
    await vault.discard(sealed)
    with pytest.raises(ForgottenError):
        await vault.open(TENANT, "s1", sealed)
    with pytest.raises(ForgottenError):
        await vault.open(TENANT, "s1", replace(sealed, name="never/was"))


async def test_a_destroyed_key_forgets_all_and_a_new_life_does_not_bring_it_back(vault: Vault) -> None:
    sealed = await vault.seal(TENANT, "s1", "credentials", b"a login", new_key=True)
    await vault.destroy(TENANT, "s1")
    await vault.destroy(TENANT, "s1")
    with pytest.raises(ForgottenError):
        await vault.open(TENANT, "s1", sealed)
    with pytest.raises(ForgottenError):
        await vault.seal(TENANT, "s1", "credentials", b"late")
    again = await vault.seal(TENANT, "s1", "credentials", b"new life", new_key=True)
    assert await vault.open(TENANT, "s1", again) == b"new life"
    with pytest.raises(BrokenSealError):
        await vault.open(TENANT, "s1", sealed)


async def test_no_plaintext_lies_on_any_disk_and_a_destroyed_key_is_overwritten(
    own_nats: NatsServer, tmp_path: Path
) -> None:
    plaintext = secrets.token_hex(24).encode()
    async with connect(settings_for(own_nats, tmp_path), "tests") as bus:
        vault = await Vault.open_up(bus, MASTER)
        keys = await Bucket.open(bus, SESSION_KEYS)
        sealed = await vault.seal(TENANT, "s1", "credentials", plaintext, new_key=True)
        await vault.seal(TENANT, "s2", "credentials", b"of somebody else", new_key=True)
        wrapped = await keys.get(f"{TENANT}.s1")
        assert wrapped is not None
        on_disk = files_with(own_nats.data_dir, wrapped)
        assert on_disk, "the test looks in the right place"
        assert files_with(own_nats.data_dir, sealed.name.encode())
        await vault.destroy(TENANT, "s1")
        assert files_with(own_nats.data_dir, wrapped, plaintext) == []
        own_nats.kill()
        await own_nats.start()
    assert files_with(own_nats.data_dir, wrapped, plaintext) == []


@pytest.mark.fault
async def test_what_is_sealed_survives_a_kill_of_the_server(own_nats: NatsServer, tmp_path: Path) -> None:
    settings = settings_for(own_nats, tmp_path)
    async with connect(settings, "tests") as bus:
        sealed = await (await Vault.open_up(bus, MASTER)).seal(TENANT, "s1", "x", b"still here", new_key=True)
        own_nats.kill()
        await own_nats.wait()
        await own_nats.start()
    async with connect(settings, "tests") as bus:
        assert await (await Vault.open_up(bus, MASTER)).open(TENANT, "s1", sealed) == b"still here"


@pytest.mark.fault
async def test_a_vault_without_server_says_that_a_retry_helps(own_nats: NatsServer, tmp_path: Path) -> None:
    async with connect(settings_for(own_nats, tmp_path), "tests") as bus:
        vault = await Vault.open_up(bus, MASTER)
        sealed = await vault.seal(TENANT, "s1", "x", b"x", new_key=True)
        await own_nats.stop()
        for attempt in (vault.open(TENANT, "s1", sealed), vault.discard(sealed), vault.destroy(TENANT, "s1")):
            with pytest.raises(UnavailableError):
                await attempt
        await own_nats.start()


async def test_many_may_destroy_the_same_key_at_once(bus: Bus, vault: Vault) -> None:
    for round_ in range(5):
        sealed = await vault.seal(TENANT, f"s{round_}", "x", b"x", new_key=True)
        await asyncio.gather(*(vault.destroy(TENANT, f"s{round_}") for _ in range(6)))
        with pytest.raises(ForgottenError):
            await vault.open(TENANT, f"s{round_}", sealed)


def test_the_master_key_is_made_once_with_mode_0600(common_settings: CommonSettings) -> None:
    key = master_key(common_settings)
    file = common_settings.data / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert master_key(common_settings) == key
    assert [each.name for each in common_settings.data.iterdir()] == ["master.key"]


def test_many_first_starts_at_once_agree_on_one_master_key(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import master_key
settings = CommonSettings(data=Path(sys.argv[1]), master_key=None, master_key_file=None)
print("ready", flush=True)
sys.stdin.readline()
print(master_key(settings).hex())
"""
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    pipe = subprocess.PIPE
    starts = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for each in starts:
        assert each.stdout
        assert each.stdout.readline() == "ready\n"
    for each in starts:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    keys = {each.communicate(timeout=20)[0] for each in starts}
    assert len(keys) == 1


def test_a_given_master_key_goes_before_the_file(tmp_path: Path) -> None:
    given = CommonSettings(data=tmp_path, master_key=SecretStr("ab" * 32))
    assert master_key(given) == b"\xab" * 32
    assert list(tmp_path.iterdir()) == []
    named = CommonSettings(data=tmp_path, master_key=None, master_key_file=tmp_path / "deep" / "key")
    assert (tmp_path / "deep").exists() is False
    assert master_key(named).hex() == (tmp_path / "deep" / "key").read_text()


@pytest.mark.parametrize("bad", ["", "abc", "zz" * 32, "ab" * 31, "ab" * 33])
def test_what_is_no_key_is_refused_without_showing_it(bad: str, tmp_path: Path) -> None:
    with pytest.raises(BadMasterKeyError) as caught:
        master_key(CommonSettings(data=tmp_path, master_key=SecretStr(bad)))
    assert "64 hexadecimal digits" in str(caught.value)
    assert not bad or bad not in str(caught.value)
