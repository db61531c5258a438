"""Whether it runs, how it is, and whether its ports are free otherwise."""

from __future__ import annotations

import os
import socket

from posada_client.cli.context import Cli
from posada_client.cli.doctor.check import Check
from posada_client.errors import ClientError, NotRunningError
from posada_client.supervisor import supervisor_of

_DOORS = ("gateway", "nats", "mqtt", "postgres", "playground")


def running(cli: Cli) -> list[Check]:
    """The platform's own view of itself when it runs; whether it could start when it does not."""
    try:
        found = cli.client.health()
    except NotRunningError as error:
        return [_not_running(cli, error), *ports()]
    except ClientError as error:
        fix = "is it Posada that listens there? `posada down`, then `posada up`"
        return [Check(name="Running", level="missing", found=str(error), means="it cannot be asked", fix=fix)]
    services = [
        Check(
            name=f"Health: {name}",
            level="ok" if probed.status == "ok" else "missing",
            found=probed.message or probed.status,
            means="" if probed.status == "ok" else "requests that need it answer 503",
            fix="" if probed.status == "ok" else f"{cli.data / 'logs'} says why",
        )
        for name, probed in found.services.items()
    ]
    return [Check(name="Running", level="ok", found=cli.url), *services]


def ports() -> list[Check]:
    """Whether the ports that were asked for are free. All others are chosen free at the start."""
    wanted = {name: os.environ.get(f"POSADA_ONEBOX_{name.upper()}_PORT", "") for name in _DOORS}
    return [_port(name, number) for name, number in wanted.items() if number not in {"", "0"}]


def _port(name: str, number: str) -> Check:
    title = f"Port of {name}"
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", int(number)))
        except (OSError, ValueError, OverflowError) as error:
            fix = f"free it, or set POSADA_ONEBOX_{name.upper()}_PORT to another"
            return Check(name=title, level="missing", found=f"{number}: {error}", means="it cannot start", fix=fix)
    return Check(name=title, level="ok", found=f"{number} is free")


def _not_running(cli: Cli, error: NotRunningError) -> Check:
    if supervisor_of(cli.running) is not None:
        fix = f"{cli.data / 'logs'} says why; `posada down`, then `posada up`"
        return Check(name="Running", level="missing", found="it runs, but no gateway", means=str(error), fix=fix)
    return Check(name="Running", level="warn", found="no", means=f"nothing answers at {error.where}", fix="posada up")
