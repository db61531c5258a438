"""What a watch writes into the log about one link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from posada_contracts.messages import Command
from posada_runtime.eventstore import EventStore

from posada_scraper.links.domain import Link

ACTOR = "scraper"


class ReplacedError(Exception):
    """Another watch has taken the link over, or somebody ended it: what this one sees counts for nothing."""


class _Watching(Command[None]):
    """A watch's own step: not sent to anybody, it names who appends."""


class Journal:
    """Appends facts about one link, for the one watch that is called `worker`."""

    def __init__(self, store: EventStore, tenant: str, session_id: str, worker: str) -> None:
        self._store, self._tenant, self._session_id, self._worker = store, tenant, session_id, worker

    async def take_over(self) -> Link:
        """A watch begins."""
        return await self._write(lambda link, at: link.take_over(self._worker, at))

    async def reopen(self) -> None:
        """The page is opened once more. Raises ReplacedError."""
        self._still_ours(await self._write(lambda link, at: link.reopen(self._worker, at)))

    async def shows_qr(self) -> Link:
        """A code is there, or it means that the session was logged out: then the link has ended.

        Raises:
            ReplacedError: it is not ours.
        """
        link = await self._write(lambda link, at: link.show_qr(self._worker, at))
        if link.live:
            self._still_ours(link)
        return link

    async def connected(self) -> None:
        """The page is let in. Raises ReplacedError."""
        self._still_ours(await self._write(lambda link, at: link.connect(self._worker, at)))

    async def end(self, code: str, detail: str) -> None:
        """It is over, unless another watch has begun since."""

        def decide(link: Link, at: datetime) -> None:
            if link.is_watched_by(self._worker):
                link.end(code, detail, at)

        await self._write(decide)

    def _still_ours(self, link: Link) -> None:
        if not link.is_watched_by(self._worker):
            raise ReplacedError

    async def _write(self, change: Callable[[Link, datetime], None]) -> Link:
        def decide(link: Link | None) -> Link:
            now = datetime.now(UTC)
            if link is None:
                return Link.begin(self._session_id, self._worker, now)
            change(link, now)
            return link

        command = _Watching(tenant=self._tenant, actor=ACTOR)
        return await self._store.execute(Link, command, self._session_id, decide)


async def call_off(
    store: EventStore, tenant: str, session_id: str, code: str, detail: str, *, actor: str = ACTOR
) -> bool:
    """End a live link, whoever watches it. False: there was none."""
    if (present := await store.load(Link, tenant, session_id)).aggregate is None:
        return False
    was_live = present.aggregate.live

    def decide(link: Link | None) -> Link:
        assert link is not None  # links stay in the log
        link.end(code, detail, datetime.now(UTC))
        return link

    await store.execute(Link, _Watching(tenant=tenant, actor=actor), session_id, decide)
    return was_live
