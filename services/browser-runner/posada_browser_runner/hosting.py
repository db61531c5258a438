"""The browsers that this runner hosts: start, save, end. One session's commands run in order, others' beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from posada_contracts.browser import BrowserView
from posada_contracts.errors import (
    BrokenSealError,
    ConflictError,
    ForgottenError,
    NotFoundError,
    PosadaError,
)
from posada_contracts.session import SessionSecrets
from posada_contracts.vault import SealedLogin
from posada_runtime.ending import end as end_tasks
from posada_runtime.leases import Lease, Leases
from posada_runtime.log import get_logger
from posada_runtime.telemetry import span

from posada_browser_runner.adapters.archive import BadArchiveError
from posada_browser_runner.adapters.devtools_door import DevtoolsDoor
from posada_browser_runner.adapters.start import Guest, Started, Starter
from posada_browser_runner.allowed import Allowed
from posada_browser_runner.artifacts import Artifacts
from posada_browser_runner.hosted import Hosted, Reason, lease_key
from posada_browser_runner.journal import Journal
from posada_browser_runner.keeping import Keeper
from posada_browser_runner.logins import Login, Logins
from posada_browser_runner.settings import Settings

OnEnd = Callable[[Hosted, bool], None]


class Hosting:
    """Owns the live browsers of one runner."""

    def __init__(
        self,
        logins: Logins,
        leases: Leases,
        journal: Journal,
        starter: Starter,
        door: DevtoolsDoor,
        artifacts: Artifacts,
        settings: Settings,
    ) -> None:
        self._logins, self._leases, self._journal, self._starter = logins, leases, journal, starter
        self._door, self._artifacts, self._settings = door, artifacts, settings
        self._hosted: dict[str, Hosted] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._unfit: set[str] = set()  #: profiles that came up damaged, by the name they are sealed under
        self._damages: set[asyncio.Task[None]] = set()
        self.on_end: list[OnEnd] = []  #: told of every end, and whether the browser should be there again

    @property
    def hosted(self) -> list[Hosted]:
        """What is open now."""
        return list(self._hosted.values())

    @property
    def starter(self) -> Starter:
        """Who starts the browsers."""
        return self._starter

    def clients(self, one: Hosted) -> int:
        """Connections to a browser just now."""
        return self._door.connections(one.token)

    def idle_s(self, one: Hosted) -> float:
        """How long nobody has been connected."""
        return 0.0 if self.clients(one) else time.monotonic() - one.used_at

    def used(self, session_id: str) -> None:
        """Somebody came, went, or asked for the browser."""
        if (one := self._hosted.get(session_id)) is not None:
            one.used_at = time.monotonic()

    async def secrets(self, tenant: str, session_id: str) -> SessionSecrets:
        """See `Logins.secrets`."""
        return await self._logins.secrets(tenant, session_id)

    @asynccontextmanager
    async def locked(self, session_id: str) -> AsyncIterator[None]:
        """Nothing else happens to the session here as long as the block runs."""
        async with self._locks.setdefault(session_id, asyncio.Lock()):
            yield

    def of_tenant(self, tenant: str, session_id: str) -> Hosted | None:
        """The session's browser, when it is open here. Another tenant's does not exist for the one who asks.

        Raises:
            NotFoundError: it is another tenant's.
        """
        hosted = self._hosted.get(session_id)
        if hosted is not None and hosted.tenant != tenant:
            raise NotFoundError
        return hosted

    def hosts(self, session_id: str) -> bool:
        """Whether the session's browser is here."""
        return session_id in self._hosted

    async def start(self, tenant: str, session_id: str, secrets: SessionSecrets, lease: Lease | None = None) -> Hosted:
        """Start the session's browser, or join the one that is open. `lease`: on the session, when it is held already.

        Raises:
            ConflictError: another runner holds the session.
            ForgottenError, BrokenSealError: no version of its login can be opened.
            ProxyUnreachableError, BrowserFailedError, UnavailableError: as they say.
        """
        async with self.locked(session_id):
            hosted = self.of_tenant(tenant, session_id)
            if hosted is not None and hosted.started.chromium.alive:
                hosted.used_at = time.monotonic()
                return hosted
            if hosted is not None:
                await self.end(hosted, lost="the browser was found dead")
            lease = lease or await self._leases.acquire(lease_key(session_id))
            if lease is None:
                raise ConflictError("another runner holds this session")
            try:
                with span("open browser", session=session_id):
                    return await self._start(tenant, session_id, secrets, lease)
            except BaseException:
                await self._leases.release(lease)
                raise

    async def _start(self, tenant: str, session_id: str, secrets: SessionSecrets, lease: Lease) -> Hosted:
        began = time.monotonic()
        guest = Guest(
            tenant,
            session_id,
            await self._logins.proxy(tenant, session_id, secrets),
            secrets.user_agent,
            Allowed.of_tenant(self._settings.allow, tenant),
            attended=lambda: session_id in self._hosted and self.clients(self._hosted[session_id]) > 0,
            on_download=lambda download: self._artifacts.keep(tenant, session_id, started, download),
            on_damage=lambda: self._damaged(session_id, login),
        )
        started, login, restored = await self._with_newest_login(guest, secrets)
        try:
            keeper = Keeper(
                tenant,
                session_id,
                lease.generation,
                started,
                login,
                starter=self._starter,
                logins=self._logins,
                settings=self._settings,
            )
            await keeper.begin()
            took_ms = round((time.monotonic() - began) * 1000)
            await self._journal.opened(
                tenant, session_id, generation=lease.generation, start_id=started.start_id, took_ms=took_ms
            )
            if restored:
                await self._journal.restored(tenant, session_id, lease.generation, restored)
        except BaseException:
            await self._starter.end(started)
            raise
        token = self._door.open(session_id, started.chromium.ws_url)
        hosted = Hosted.of(tenant, session_id, secrets, started=started, lease=lease, token=token, keeper=keeper)
        self._hosted[session_id] = hosted
        hosted.tasks = [
            asyncio.create_task(self._watch(hosted), name=f"watch {session_id}"),
            asyncio.create_task(keeper.run(), name=f"keep {session_id}"),
        ]
        get_logger().info("browser_opened", session_id=session_id, pid=started.chromium.pid, took_ms=took_ms)
        return hosted

    async def _with_newest_login(self, guest: Guest, secrets: SessionSecrets) -> tuple[Started, Login, str]:
        """Started with the newest login that opens and comes up whole; and why it is not the newest of all."""
        problem: PosadaError | None = None
        for version in self._logins.versions(secrets):
            try:
                self._check_fit(version)
                login = await self._logins.open(guest.tenant, guest.session_id, version)
                return await self._starter.start(guest, login), login, problem.detail if problem else ""
            except (BrokenSealError, ForgottenError, BadArchiveError) as error:
                get_logger().warning("login_version_unfit", session_id=guest.session_id, why=error.code)
                problem = problem or error
        assert problem is not None  # there is always one version, if only the empty one
        raise problem

    def _check_fit(self, version: SealedLogin | None) -> None:
        if version is not None and version.profile is not None and version.profile.name in self._unfit:
            raise BadArchiveError("its databases came up damaged")

    def _damaged(self, session_id: str, login: Login) -> None:
        """A page has not found its saved databases: the browser is started again, with the login before this one."""
        hosted = self._hosted.get(session_id)
        if hosted is not None and login.profile is not None:
            hosted.keeper.damaged = True
            self._unfit.add(login.profile.name)
            task = asyncio.create_task(self._end_damaged(hosted), name=f"damaged {session_id}")
            self._damages.add(task)
            task.add_done_callback(self._damages.discard)

    async def _end_damaged(self, hosted: Hosted) -> None:
        async with self.locked(hosted.session_id):
            if not hosted.ending:
                await self.end(hosted, lost="its saved databases came up damaged", again=True)

    async def _watch(self, hosted: Hosted) -> None:
        """Until the browser dies, or its lease is lost: then nothing of it may stay."""
        died = asyncio.create_task(hosted.started.chromium.wait())
        lost = asyncio.create_task(hosted.lease.lost.wait())
        try:
            await asyncio.wait({died, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            died.cancel()
            lost.cancel()
        async with self.locked(hosted.session_id):
            if not hosted.ending and not hosted.started.chromium.alive:
                await self.end(hosted, lost="the browser died", again=True)
            elif not hosted.ending:
                await self.end(hosted, lost="the lease was lost")

    async def close(self, tenant: str, session_id: str, reason: Reason) -> bool:
        """Save the login and close. False: nothing was open here."""
        async with self.locked(session_id):
            hosted = self.of_tenant(tenant, session_id)
            if hosted is None:
                return False
            try:
                await hosted.keeper.save()
            except PosadaError as error:
                get_logger().warning("login_not_saved", session_id=session_id, why=error.code)
            await self.end(hosted, reason=reason)
            return True

    async def end(
        self,
        hosted: Hosted,
        *,
        reason: Reason | None = None,
        lost: str = "",
        again: bool = False,
        keep_profile: bool = False,
    ) -> str:
        """End a browser and tell; the caller has the session locked. `again`: it should be there again."""
        hosted.ending = True
        self._hosted.pop(hosted.session_id, None)
        self._door.close(hosted.token)
        await end_tasks(*(task for task in hosted.tasks if task is not asyncio.current_task()))
        await self._starter.end(hosted.started, keep_profile=keep_profile)
        generation = hosted.lease.generation
        if reason is not None:
            await self._journal.closed(hosted.tenant, hosted.session_id, generation, reason)
        else:
            await self._journal.lost(hosted.tenant, hosted.session_id, generation, lost)
        await self._leases.release(hosted.lease)
        get_logger().info("browser_ended", session_id=hosted.session_id, why=reason or lost)
        for tell in self.on_end:
            tell(hosted, again)
        return "closed"

    async def end_all(self) -> None:
        """Save every login, close every browser."""
        await asyncio.gather(*(self.close(one.tenant, one.session_id, "shutdown") for one in self.hosted))
        await self._artifacts.settle()

    def let_go(self, hosted: Hosted) -> int:
        """Drop the clients of a browser that is about to end, and let no other in. Returns how many there were."""
        clients = self.clients(hosted)
        self._door.close(hosted.token)
        return clients

    def view(self, hosted: Hosted) -> BrowserView:
        """An open browser, for a client."""
        host = f"{self._settings.advertise or self._settings.host}:{self._door.port}"
        return BrowserView(
            state="open",
            runner=self._settings.name,
            generation=hosted.lease.generation,
            cdp_url=f"ws://{host}/{hosted.token}",
            webdriver_url=f"http://{host}/{hosted.token}/webdriver",
        )
