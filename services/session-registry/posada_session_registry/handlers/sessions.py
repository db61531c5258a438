"""Commands and queries about sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import msgspec
from posada_contracts import session as said
from posada_contracts.browser import BrowserOpened, BrowserReopened, CleanBrowser
from posada_contracts.errors import InvalidInputError, NotFoundError, PosadaError, SessionExistsError
from posada_contracts.ids import session_id
from posada_contracts.session import SessionSecrets, SessionView, Step
from posada_contracts.vault import Proxy, Sealed, SealedLogin
from posada_runtime.bus import Bus

from posada_session_registry.domain import Session
from posada_session_registry.domain.session import SealedParts
from posada_session_registry.handlers.lives import Change, Lives, OnSession, now
from posada_session_registry.handlers.shown import view_of
from posada_session_registry.settings import Settings


class SessionHandlers:
    """Owns the sessions' lives."""

    def __init__(self, bus: Bus, lives: Lives, settings: Settings) -> None:
        self._bus, self.lives, self._settings = bus, lives, settings
        self._store, self._vault = lives.store, lives.vault

    async def create(self, command: said.CreateSession) -> SessionView:
        """Make the session. Its id follows from tenant, owner and platform, so two at once cannot both win."""
        id_ = session_id(command.tenant, command.owner, command.platform)
        present = await self._store.load(Session, command.tenant, id_)
        if present.aggregate is not None and command.command_id in present.commands:
            return view_of(present.aggregate)
        if present.aggregate is not None and present.aggregate.status != "erased":
            raise SessionExistsError(session_id=id_)
        await self._vault.make_key(command.tenant, id_)  # others may seal for it from its first moment on
        sealed = SealedParts(
            await self._seal_proxy(command.tenant, id_, command.proxy_url),
            await self._seal_login(command.tenant, id_, command.storage_state),
        )
        at = now()

        def decide(session: Session | None) -> Session:
            if session is None:
                return Session.create(id_, command, sealed, at)
            session.recreate(command, sealed, at)
            return session

        try:
            return view_of(await self._store.execute(Session, command, id_, decide))
        except SessionExistsError:
            await self.lives.discard([sealed.credentials, sealed.proxy.secret if sealed.proxy else None])
            raise

    async def change(self, command: said.ChangeSession) -> SessionView:
        """Change what the command names, and leave the rest."""
        present = await self.lives.living(command.tenant, command.session_id)
        proxy = present.proxy
        if "proxy_url" in command.fields:
            proxy = await self._seal_proxy(command.tenant, command.session_id, command.proxy_url)

        def decide(session: Session) -> None:
            session.change(
                proxy=proxy if "proxy_url" in command.fields else session.proxy,
                user_agent=command.user_agent if "user_agent" in command.fields else session.user_agent,
                priority=command.priority if "priority" in command.fields else session.priority,
                labels=command.labels if "labels" in command.fields else session.labels,
                at=now(),
            )

        return await self._execute(command, decide)

    async def store_credentials(self, command: said.StoreCredentials) -> SessionView:
        """Seal the login, then tell that it is there; the version that is too many is discarded."""
        tenant, id_, profile = command.tenant, command.session_id, command.profile
        await self.lives.living(tenant, id_)
        if profile is not None and not profile.name.startswith(f"{tenant}/{id_}/"):
            raise InvalidInputError("this profile was sealed for another session")
        secret = await self._seal_login(tenant, id_, command.storage_state)
        assert secret is not None
        login = SealedLogin(state=secret, profile=profile)

        def change(session: Session) -> None:
            session.store_credentials(login, command.source, command.generation, now())

        parts = [secret] if profile is None else [secret, profile]
        return view_of(await self.lives.replace(command, change, *parts))

    async def record_verdict(self, command: said.RecordVerdict) -> SessionView:
        """Take the result of a check."""
        return await self._execute(
            command, lambda s: s.record_verdict(command.verdict, command.evidence, command.probe, now())
        )

    async def record_cleaned(self, command: said.RecordCleaned) -> SessionView:
        """Take what a clean-up did."""
        return await self._execute(command, lambda s: s.record_cleaned(command.steps, now()))

    async def touch(self, command: said.TouchSession) -> None:
        """Note that the session is in use, once per interval."""
        interval = timedelta(seconds=self._settings.activity_seconds)
        await self._execute(command, lambda s: s.touch(interval, now()))

    async def erase(self, command: said.EraseSession) -> SessionView:
        """Close and clean the browser, destroy the key, and tell. The key goes first: no crash may leave it behind."""
        present = await self._store.load(Session, command.tenant, command.session_id)
        if present.aggregate is None:
            raise NotFoundError
        if present.aggregate.status == "erased":
            return view_of(present.aggregate)
        steps = await self._clean_browser(command.tenant, command.session_id)
        await self._vault.destroy(command.tenant, command.session_id)
        await self.lives.discard(present.aggregate.secrets)
        done = Step(name="destroy_key", detail="what was sealed for this session can never be read again")
        view = await self._execute(command, lambda s: s.erase([*steps, done], now()))
        await self._vault.destroy(command.tenant, command.session_id)  # a login stored in between made a new one
        return view

    async def get(self, query: said.GetSession) -> SessionView:
        """One session, as it is or as it was."""
        as_of = query.as_of_time or query.as_of_sequence
        loaded = await self._store.load(Session, query.tenant, query.session_id, as_of=as_of)
        if loaded.aggregate is None or (as_of is None and loaded.aggregate.status == "erased"):
            raise NotFoundError
        view = view_of(loaded.aggregate)
        return view if as_of is not None else await self._with_browser(view)

    async def _with_browser(self, view: SessionView) -> SessionView:
        """What the browser's newest event says; the session's own life knows nothing of it."""
        newest = await self._store.latest(view.tenant, "browser", view.id)
        is_open = newest is not None and isinstance(newest.event, BrowserOpened | BrowserReopened)
        return replace(view, browser="open") if is_open else view

    async def secrets(self, query: said.GetSecrets) -> SessionSecrets:
        """References for services that may open them."""
        session = await self.lives.living(query.tenant, query.session_id)
        return SessionSecrets(
            owner=session.owner,
            platform=session.platform,
            status=session.status,
            credentials=session.credentials,
            proxy=session.proxy,
            user_agent=session.user_agent,
            priority=session.priority,
            logins=session.logins,
            totp=session.totp,
            token=session.token.secret if session.token else None,
        )

    async def expire_if_idle(self, command: said.TouchSession, idle: timedelta) -> None:
        """For the sweep: expire the session if it still is idle now."""
        await self._execute(command, lambda s: s.expire_if_idle(idle, now()))

    async def _execute(self, command: OnSession, change: Change) -> SessionView:
        return view_of(await self.lives.execute(command, change))

    async def _seal_login(self, tenant: str, id: str, state: dict[str, object] | None) -> Sealed | None:
        if state is None:
            return None
        return await self._vault.seal(tenant, id, "credentials", msgspec.json.encode(state), new_key=True)

    async def _seal_proxy(self, tenant: str, id: str, url: str | None) -> Proxy | None:
        if not url:
            return None
        secret = await self._vault.seal(tenant, id, "proxy", url.encode(), new_key=True)
        return Proxy(masked=masked(url), secret=secret)

    async def _clean_browser(self, tenant: str, id: str) -> list[Step]:
        try:
            command = CleanBrowser(tenant=tenant, session_id=id, actor="session-registry")
            return await self._bus.ask(command, timeout=self._settings.clean_timeout)
        except PosadaError as error:  # no runner: then no browser of its either, or the reaper finds it
            return [Step(name="clean_browser", ok=False, detail=error.detail)]


def masked(proxy_url: str) -> str:
    """A proxy URL without its password."""
    parts = urlsplit(proxy_url)
    user, at, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    shown = f"{name}:***@{place}" if at and ":" in user else parts.netloc
    return urlunsplit((parts.scheme, shown, parts.path, "", ""))
