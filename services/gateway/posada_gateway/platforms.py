"""Which platforms there are: asked of the scraper, remembered for a moment, and longer while it is away."""

from __future__ import annotations

import time

from posada_contracts.errors import InvalidInputError, OutcomeUnknownError, UnavailableError
from posada_contracts.job import ListPlatforms, PlatformView
from posada_runtime.bus import Bus

FRESH_SECONDS = 5.0


class Platforms:
    """The platforms, by name."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, PlatformView] = {}
        self._asked = float("-inf")

    async def known(self, tenant: str) -> dict[str, PlatformView]:
        """All of them.

        Raises:
            UnavailableError: nobody tells, and nobody ever told.
        """
        if time.monotonic() - self._asked > FRESH_SECONDS:
            try:
                told = await self._bus.ask(ListPlatforms(tenant=tenant), timeout=3)
            except (UnavailableError, OutcomeUnknownError) as error:
                if not self._known:
                    raise UnavailableError("the platforms are not known: the scraper does not answer") from error
            else:
                self._known = {platform.name: platform for platform in told}
                self._asked = time.monotonic()
        return self._known

    async def check(self, tenant: str, name: str, field: str = "platform") -> PlatformView:
        """The platform called `name`.

        Raises:
            InvalidInputError: there is none; tells those there are.
            UnavailableError: see `known`.
        """
        known = await self.known(tenant)
        if name in known:
            return known[name]
        names = sorted(known)
        message = f"there is no such platform; known are: {', '.join(names)}"
        raise InvalidInputError(message, known=names, errors=[{"field": field, "message": message}])

    async def check_kind(self, tenant: str, platform: str, kind: str) -> None:
        """Whether jobs of this kind can be done on the platform. What target a kind needs is for the scraper to say.

        Raises:
            InvalidInputError: no such kind there.
            UnavailableError: see `known`.
        """
        kinds = (await self.check(tenant, platform)).kinds
        if kind not in kinds:
            message = f"this platform has no such kind; it has: {', '.join(kinds)}"
            raise InvalidInputError(message, known=kinds, errors=[{"field": "kind", "message": message}])
