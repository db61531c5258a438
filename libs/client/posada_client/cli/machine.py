"""`posada up` and `posada down`: the platform on this machine."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from posada_client import supervisor
from posada_client.cli.codes import Code, CommandError
from posada_client.cli.context import Cli, here
from posada_client.cli.screen import Column
from posada_client.place import Running


def up(
    context: typer.Context,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until it takes traffic.")] = 120.0,
) -> None:
    """Start Posada on this machine, in the background."""
    cli = here(context)
    if supervisor.supervisor_of(cli.running) is not None and cli.running is not None:
        cli.screen.say("Posada is already running." if cli.running.ready else "Posada is already starting.")
        return _present(cli, cli.running, started=False)
    try:
        with cli.screen.err.status("Starting Posada …"):
            running = supervisor.start(cli.data, timeout)
    except supervisor.StartFailedError as error:
        cli.screen.say(error.log, "dim")
        said = f"{error} Its log: {supervisor.log_file(cli.data)}. `posada doctor` says what may be missing."
        raise CommandError(Code.FAILED, said) from error
    return _present(cli, running, started=True)


def down(
    context: typer.Context,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until it is gone.")] = 60.0,
) -> None:
    """Stop the Posada of this machine. Its data stay."""
    cli = here(context)
    process = supervisor.supervisor_of(cli.running)
    if process is None:
        return _told(cli, stopped=False, message="Posada is not running.")
    if not supervisor.stop(process, timeout):
        raise CommandError(Code.FAILED, f"Process {process.pid} is still there after {timeout:.0f} s.")
    return _told(cli, stopped=True, message="Posada has stopped.")


def _told(cli: Cli, *, stopped: bool, message: str) -> None:
    cli.screen.say(message)
    if cli.screen.as_json:
        cli.screen.document({"running": False, "stopped": stopped})


def _present(cli: Cli, running: Running, *, started: bool) -> None:
    doors = _doors(running)
    if cli.screen.as_json:
        addresses = {name.lower(): where for name, where, _ in doors}
        return cli.screen.document({"running": True, "started": started, "data": str(cli.data), **addresses})
    cli.screen.table([Column("door"), Column("address"), Column("for", 1)], doors, empty="No doors.")
    if started and running.first_start and (key := running.key(cli.data)):
        cli.screen.say(f"The first admin key, shown this once: {key}")
    return cli.screen.say(f"The admin key is in {running.admin_key_file}; `posada` reads it by itself.", "dim")


def _doors(running: Running) -> list[tuple[str, str, str]]:
    """Every address worth knowing, without the passwords."""
    host = urlsplit(running.gateway_url).hostname or "127.0.0.1"
    mqtt = f"mqtt://{host}:{running.mqtt_port}" if running.mqtt_port else ""
    doors = [
        ("Gateway", running.gateway_url, "REST and server-sent events; /openapi.json describes them"),
        ("Playground", running.playground_url, "look-alike sites to try things on"),
        ("NATS", _bare(running.nats_url), "the bus and the event log"),
        ("MQTT", mqtt, "devices"),
        ("Postgres", _bare(running.postgres_dsn), "read models"),
    ]
    return [door for door in doors if door[1]]


def _bare(url: str) -> str:
    """An address without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
