"""Free TCP ports."""

import random
import socket
from contextlib import ExitStack

_FIRST, _LAST = 15_000, 32_767
"""Below those that Linux gives to outgoing connections and to whoever binds port 0 (from 32768 on): a port that is free
now is still free when the server that it is for has come up, even on a busy machine."""
_TRIES = 1000


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on right now. Somebody else may take it before you do."""
    return free_ports(1, host)[0]


def free_ports(count: int, host: str = "127.0.0.1") -> tuple[int, ...]:
    """As many different free ports as asked for: all are held until the last one is chosen.

    Raises:
        OSError: none of a thousand tried was free.
    """
    with ExitStack() as held:
        return tuple(_bound(held.enter_context(socket.socket()), host) for _ in range(count))


def _bound(held: socket.socket, host: str) -> int:
    for port in random.SystemRandom().sample(range(_FIRST, _LAST + 1), _TRIES):
        try:
            held.bind((host, port))
        except OSError:
            continue
        return port
    raise OSError(f"no free port was found on {host}")
