"""Free TCP ports."""

import socket
from contextlib import ExitStack


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on right now. Somebody else may take it before you do."""
    return free_ports(1, host)[0]


def free_ports(count: int, host: str = "127.0.0.1") -> tuple[int, ...]:
    """As many different free ports as asked for: all are held until the last one is chosen."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((host, 0))
        return tuple(int(each.getsockname()[1]) for each in sockets)
