"""Which addresses a session's browser may reach: the public ones, and what its tenant's allow-list names besides.

Pages come from anywhere and must not reach what stands beside the runner: private, loopback, link-local and metadata
addresses. The rule is asked with the very address that is then connected to, for redirects and new connections too,
so a name that resolves differently the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

EVERY_TENANT = "*"

_CARRIERS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""IPv6 networks whose addresses carry an IPv4 address (RFC 6052, 8215, 3056, 4380), perhaps a private one."""


class BadAllowanceError(ValueError):
    """An entry of an allow-list is `<address or network>[:<port>]`, such as `10.0.0.0/8` or `127.0.0.1:8080`."""


@dataclass(frozen=True)
class Allowance:
    """One entry: a network, and a port where only that one is meant."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """An entry as it is written. IPv6 with a port stands in brackets: `[fd00::1]:8080`.

        Raises:
            BadAllowanceError: it is no address.
        """
        place, colon, port = text.strip().rpartition(":")
        if not colon or text.endswith("]") or ("[" not in text and text.count(":") > 1):
            place, port, colon = text.strip(), "", ""
        try:
            network = ipaddress.ip_network(place.strip("[]"), strict=False)
            return cls(network, int(port) if colon else None)
        except ValueError:
            raise BadAllowanceError(f"{text!r}: {BadAllowanceError.__doc__}") from None

    def covers(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> bool:
        """Whether it lets this be reached."""
        return address in self.network and self.port in (None, port)


class Allowed:
    """The rule for one tenant's browsers; call it with host, port and address."""

    def __init__(self, entries: Sequence[Allowance]) -> None:
        self._entries = entries

    @classmethod
    def of_tenant(cls, lists: Mapping[str, Sequence[str]], tenant: str) -> Self:
        """From the lists by tenant; those of `*` hold for everybody.

        Raises:
            BadAllowanceError: an entry is no address.
        """
        texts = [*lists.get(EVERY_TENANT, ()), *lists.get(tenant, ())]
        return cls([Allowance.parse(text) for text in texts])

    def __call__(self, _: str, port: int, address: str) -> bool:
        """Whether the address may be reached. None is known where a proxy resolves the name: that is the proxy's."""
        if not address:
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        public = ip.is_global and not ip.is_multicast and not any(ip in network for network in _CARRIERS)
        return public or any(entry.covers(ip, port) for entry in self._entries)
