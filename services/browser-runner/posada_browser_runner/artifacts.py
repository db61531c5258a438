"""What a session's browsers downloaded: sealed with the session's key, and told in the log."""

from __future__ import annotations

import asyncio

from posada_contracts.browser import Artifact, ArtifactPart, FileDownloaded
from posada_contracts.errors import NotFoundError, PosadaError
from posada_runtime.eventstore import EventStore
from posada_runtime.log import get_logger
from posada_runtime.vault import Vault

from posada_browser_runner.adapters.start import Started
from posada_browser_runner.adapters.tabs import Download
from posada_browser_runner.journal import Journal

LONGEST_PART = 4 << 20
LONGEST_NAME = 200
MOST = 200  #: of a session; what it downloads beyond that is not kept
AT_ONCE = 2
HELD_S = 30.0  #: so long the content that was read last is kept, for whoever reads it part by part


class Artifacts:
    """Keeps downloads, lists them and gives them out."""

    def __init__(self, store: EventStore, vault: Vault, journal: Journal, largest: int) -> None:
        self._store, self._vault, self._journal, self._largest = store, vault, journal, largest
        self._keeping: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._held: tuple[str, bytes] | None = None  #: name and content of what was read last

    def keep(self, tenant: str, session_id: str, started: Started, download: Download) -> None:
        """Seal a finished download, in the background."""
        task = asyncio.create_task(self._keep(tenant, session_id, started, download), name="artifact")
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def settle(self) -> None:
        """Wait until what has begun to be kept is kept."""
        await asyncio.gather(*self._keeping)

    async def _keep(self, tenant: str, session_id: str, started: Started, download: Download) -> None:
        path = started.profile.downloads / download.guid
        try:
            async with self._turns:
                if (why := await self._too_much(tenant, session_id, download)) is not None:
                    get_logger().warning(why, session_id=session_id, size=download.size)
                    return
                content = await asyncio.to_thread(path.read_bytes)
                secret = await self._vault.seal(tenant, session_id, "artifact", content)
                name, url = download.name[:LONGEST_NAME], download.url
                await self._journal.downloaded(tenant, session_id, name=name, url=url, size=len(content), secret=secret)
        except (OSError, PosadaError) as error:
            get_logger().warning("download_not_kept", session_id=session_id, why=type(error).__name__)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _too_much(self, tenant: str, session_id: str, download: Download) -> str | None:
        if download.size > self._largest:
            return "download_too_large"
        return "too_many_downloads" if len(await self._events(tenant, session_id)) >= MOST else None

    async def all_of(self, tenant: str, session_id: str) -> list[Artifact]:
        """The session's artifacts, newest first."""
        events = await self._events(tenant, session_id)
        return [
            Artifact(id=_id(event), name=event.name, url=event.url, size=event.size, at=event.timestamp)
            for event in reversed(events)
        ]

    async def read(self, tenant: str, session_id: str, artifact_id: str, offset: int, limit: int) -> ArtifactPart:
        """Some bytes of one.

        Raises:
            NotFoundError: the session has none of this id.
            ForgottenError: the session was erased.
        """
        found = next((each for each in await self._events(tenant, session_id) if _id(each) == artifact_id), None)
        if found is None:
            raise NotFoundError
        if self._held is None or self._held[0] != found.secret.name:
            self._held = found.secret.name, await self._vault.open(tenant, session_id, found.secret)
            asyncio.get_running_loop().call_later(HELD_S, self._let_go, self._held)
        content = self._held[1]
        part = content[max(0, offset) :][: min(max(0, limit), LONGEST_PART)]
        return ArtifactPart(name=found.name, size=found.size, data=part)

    def _let_go(self, held: tuple[str, bytes]) -> None:
        if self._held is held:
            self._held = None

    async def _events(self, tenant: str, session_id: str) -> list[FileDownloaded]:
        subject = FileDownloaded.pattern(tenant=tenant, id=session_id)
        return [each.event async for each in self._store.read(subject) if isinstance(each.event, FileDownloaded)]


def _id(event: FileDownloaded) -> str:
    return event.secret.name.rpartition("/")[2]
