"""Connecting to a host by its addresses, as far as a rule lets them be reached.

The address checked is the very address connected to, so a name that changes its mind between the two gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable

from posada_contracts.errors import PosadaError

from posada_browser_runner.adapters.heads import LIMIT
from posada_browser_runner.adapters.splice import Stream

#: Whether (host, port, address) may be reached. Asked for whatever this machine connects to itself, a proxy included;
#: for what lies behind a proxy, too, and then the address is "" unless the host is one: the proxy resolves names.
Rule = Callable[[str, int, str], bool]
_PER_ADDRESS_S = 5.0


class AddressRefusedError(PosadaError):
    """This address may not be reached from here."""

    status = 403


async def connect(host: str, port: int, rule: Rule | None, tls: ssl.SSLContext | None = None) -> Stream:
    """Connect to the first of the host's addresses that may be reached and answers.

    Raises `AddressRefusedError`, or `OSError` when none answers.
    """
    addresses = await _resolve(host, port)
    allowed = [address for address in addresses if rule is None or rule(host, port, address)]
    if addresses and not allowed:
        raise AddressRefusedError(f"{host}:{port} may not be reached from here.")
    problem: OSError = OSError(f"{host} has no address")
    for address in allowed:
        try:
            async with asyncio.timeout(_PER_ADDRESS_S):
                name = host if tls else None
                return Stream(*await asyncio.open_connection(address, port, ssl=tls, server_hostname=name, limit=LIMIT))
        except OSError as error:
            problem = error
    raise problem


async def _resolve(host: str, port: int) -> list[str]:
    """Raises `OSError`. Names below `localhost` are this machine, as browsers have it."""
    name = "localhost" if host.lower().rstrip(".").endswith(".localhost") else host
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError(f"{host} is no name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def literal(host: str) -> str:
    """`host` when it is an address, else nothing."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def why(error: Exception) -> str:
    """A few words for a person."""
    return "no answer in time" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
