"""The NATS launcher against the real server."""

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import nats.errors
import psutil
import pytest
from nats.aio.client import Client
from posada_embedded.errors import AlreadyRunningError, PortTakenError, ServerNotFoundError, StartError
from posada_embedded.nats import NatsConfig, NatsServer, find_nats_server
from posada_embedded.polling import true_within
from posada_embedded.ports import free_ports

Processes = Callable[[], list[psutil.Process]]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    async def ignore(_: Exception) -> None:
        """Errors are raised to the test; the client would print them as well."""

    client = await nats.connect(url, allow_reconnect=False, error_cb=ignore)
    try:
        yield client
    finally:
        await client.close()


async def store(server: NatsServer, payload: bytes) -> None:
    async with connected(server.url) as client:
        await client.jetstream().add_stream(name="guests", subjects=["guests.>"])
        await client.jetstream().publish("guests.new", payload)


async def stored(server: NatsServer) -> bytes | None:
    async with connected(server.url) as client:
        return (await client.jetstream().get_msg("guests", 1)).data


async def mqtt_answer(port: int, user: str, password: str) -> int:
    """The return code of an MQTT 3.1.1 CONNECT: 0 accepted, 5 not authorised."""

    def text(value: str) -> bytes:
        return len(value).to_bytes(2, "big") + value.encode()

    body = text("MQTT") + b"\x04\xc2\x00\x3c" + text("board") + text(user) + text(password)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x10" + bytes([len(body)]) + body)
    answer = await reader.readexactly(4)
    writer.close()
    return answer[3]


async def test_a_restart_keeps_messages_and_ports(house: Path) -> None:
    server = NatsServer(NatsConfig(house / "nats"))
    async with server:
        await store(server, b"Ana")
        before = server.ports
    async with server:
        assert server.ports == before
        assert await stored(server) == b"Ana"


async def test_a_killed_server_starts_again_with_every_acknowledged_message(house: Path) -> None:
    async with NatsServer(NatsConfig(house / "nats")) as server:
        await store(server, b"Ana")
        server.kill()
        assert await server.wait() == -signal.SIGKILL
        await server.start()
        assert await stored(server) == b"Ana"


async def test_a_start_right_after_kill_needs_no_wait(house: Path) -> None:
    async with NatsServer(NatsConfig(house / "nats")) as server:
        first = server.pid
        server.kill()
        await server.start()
        assert server.pid != first


async def test_every_door_requires_the_password(house: Path) -> None:
    config = NatsConfig(house / "nats", password="2.b_or~not-2b")
    async with NatsServer(config) as server:
        async with connected(server.url) as client:
            assert client.is_connected
        with pytest.raises(nats.errors.Error, match="Authorization Violation"):
            async with connected(f"nats://posada:wrong@127.0.0.1:{server.port}"):
                pass
        assert await mqtt_answer(server.mqtt_port, config.user, config.password) == 0
        assert await mqtt_answer(server.mqtt_port, config.user, "wrong") == 5


async def test_only_the_owner_can_read_the_configuration(house: Path) -> None:
    async with NatsServer(NatsConfig(house / "nats")) as server:
        file = house / "nats" / "nats.conf"
        assert server.config.password in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert server.config.password not in repr(server.config)


async def test_it_listens_on_loopback_only_and_at_the_ports_it_tells(house: Path) -> None:
    async with NatsServer(NatsConfig(house / "nats")) as server:
        listening = [
            each.laddr
            for each in psutil.Process(server.pid).net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        ]
    assert sorted(listening) == sorted(("127.0.0.1", port) for port in server.ports)


async def test_a_taken_port_is_named_together_with_the_end_of_the_log(house: Path, processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = NatsServer(NatsConfig(house / "nats", port=taken.getsockname()[1]))
        with pytest.raises(PortTakenError, match="choose another one") as caught:
            await server.start()
    assert "address already in use" in caught.value.log_tail
    assert not processes()


async def test_a_stranger_on_the_monitor_port_is_not_taken_for_our_server(house: Path) -> None:
    async with NatsServer(NatsConfig(house / "stranger")) as stranger:
        port, mqtt_port = free_ports(2)
        config = NatsConfig(house / "nats", port=port, mqtt_port=mqtt_port, monitor_port=stranger.monitor_port)
        with pytest.raises(PortTakenError):
            await NatsServer(config).start()


async def test_a_server_that_dies_while_starting_tells_why(house: Path) -> None:
    with pytest.raises(StartError) as caught:
        await NatsServer(NatsConfig(house / "nats", server_name="two words")).start()
    assert "server name cannot contain spaces" in caught.value.log_tail


async def test_a_server_that_is_not_ready_in_time_is_ended(house: Path, processes: Processes) -> None:
    with pytest.raises(StartError, match="not ready after"):
        await NatsServer(NatsConfig(house / "nats", start_timeout=0.001)).start()
    assert not processes()


async def test_one_store_is_never_opened_by_two_servers(house: Path) -> None:
    async with NatsServer(NatsConfig(house / "nats")) as server:
        with pytest.raises(AlreadyRunningError, match="in use by process") as caught:
            await NatsServer(NatsConfig(house / "nats")).start()
        assert caught.value.pid == server.pid


LAUNCHER = """
import asyncio, sys
from pathlib import Path
from posada_embedded.nats import NatsConfig, NatsServer

async def launch():
    server = NatsServer(NatsConfig(Path(sys.argv[1])))
    await server.start()
    print(server.pid, flush=True)
    await server.wait()

asyncio.run(launch())
"""


async def test_what_a_killed_launcher_left_running_is_named_and_once_killed_no_obstacle(house: Path) -> None:
    launcher = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LAUNCHER, house / "nats", stdout=asyncio.subprocess.PIPE
    )
    assert launcher.stdout
    left = psutil.Process(int(await launcher.stdout.readline()))
    launcher.kill()
    await launcher.wait()

    server = NatsServer(NatsConfig(house / "nats"))
    with pytest.raises(AlreadyRunningError) as caught:
        await server.start()
    assert caught.value.pid == left.pid
    left.kill()
    async with server:
        assert server.pid != left.pid


async def test_a_server_that_does_not_listen_is_killed_when_it_should_stop(house: Path, processes: Processes) -> None:
    server = NatsServer(NatsConfig(house / "nats"))
    await server.start()
    os.kill(server.pid, signal.SIGSTOP)
    await server.stop(timeout=0.1)
    assert await server.wait() == -signal.SIGKILL
    assert not processes()


async def test_a_start_that_is_cancelled_leaves_no_process(house: Path, processes: Processes) -> None:
    starting = asyncio.create_task(NatsServer(NatsConfig(house / "nats")).start())
    assert await true_within(10, lambda: bool(processes()))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not processes()


async def test_the_server_bears_the_mark_and_sees_no_secret_of_its_launcher(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSADA_MASTER_KEY", "secret")
    async with NatsServer(NatsConfig(house / "nats", mark="house-7")) as server:
        environment = psutil.Process(server.pid).environ()
    assert environment["POSADA_MARK"] == "house-7"
    assert "POSADA_MASTER_KEY" not in environment


def test_a_missing_binary_is_answered_with_what_to_do(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSADA_NATS_SERVER", str(house / "none"))
    with pytest.raises(ServerNotFoundError, match="POSADA_NATS_SERVER names"):
        find_nats_server()


@pytest.mark.parametrize("password", ["", "with space", "a/b@c", "two\nlines"])
def test_a_password_that_clients_would_read_differently_is_refused(house: Path, password: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        NatsConfig(house, password=password)
