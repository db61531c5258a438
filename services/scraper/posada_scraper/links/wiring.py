"""Puts together what links sessions to phones."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack

from posada_runtime.bus import retried
from posada_runtime.leases import Holder, Leases
from posada_runtime.service import Platform as House
from posada_runtime.service import Service

from posada_scraper.adapters.browser import Browsers
from posada_scraper.links.codes import Codes
from posada_scraper.links.handlers import LinkHandlers, hear_links
from posada_scraper.links.watch import WatchTools
from posada_scraper.links.watchers import Watchers
from posada_scraper.logins import Logins
from posada_scraper.platforms.base import Platform
from posada_scraper.settings import Settings

START_S = 10.0


async def wire_links(
    house: House,
    service: Service,
    stack: AsyncExitStack,
    browsers: Browsers,
    logins: Logins,
    platforms: Mapping[str, Platform],
    settings: Settings,
) -> None:
    """Hear what is asked of links, and watch those that are live until `stack` is closed."""
    me = Holder(f"{socket.gethostname()}-{os.getpid()}", secrets.token_hex(8))
    leases = await retried(lambda: Leases.open(house.bus, me), START_S)
    codes = await retried(lambda: Codes.open(house.bus), START_S)
    tools = WatchTools(house.bus, house.store, browsers, logins, codes, settings)
    watchers = Watchers(house, tools, platforms, leases)
    hear_links(service, LinkHandlers(house.bus, house.store, logins, codes, watchers))
    await stack.enter_async_context(watchers.watching())
