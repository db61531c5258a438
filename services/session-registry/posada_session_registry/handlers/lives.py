"""What all handlers of sessions share: deciding on one, and keeping nothing sealed that nobody refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from posada_contracts import session as said
from posada_contracts.errors import NotFoundError, PosadaError
from posada_contracts.vault import Sealed
from posada_runtime.eventstore import EventStore
from posada_runtime.vault import Vault

from posada_session_registry.domain import Session

OnSession = (
    said.ChangeSession
    | said.StoreCredentials
    | said.RecordVerdict
    | said.RecordCleaned
    | said.TouchSession
    | said.EraseSession
    | said.StoreTotp
    | said.StoreToken
    | said.ReadToken
)
Change = Callable[[Session], None]


class Lives:
    """The sessions in the log, and what is sealed for them."""

    def __init__(self, store: EventStore, vault: Vault) -> None:
        self.store, self.vault = store, vault

    async def execute(self, command: OnSession, change: Change) -> Session:
        """Decide on a session. Raises NotFoundError: there is none."""

        def decide(session: Session | None) -> Session:
            if session is None:
                raise NotFoundError
            change(session)
            return session

        return await self.store.execute(Session, command, command.session_id, decide)

    async def replace(self, command: OnSession, change: Change, *new: Sealed) -> Session:
        """`execute` for a change that takes in what was just sealed; what fell out by it is discarded.

        Also discarded is `new` when it was not taken: refused, or this very command was carried out before.
        """
        held: list[Sealed] = []

        def watched(session: Session) -> None:
            held[:] = session.secrets
            change(session)

        try:
            session = await self.execute(command, watched)
        except PosadaError as error:
            if not error.retry:  # otherwise it may be stored all the same
                await self.discard(each for each in new if each not in held)
            raise
        kept = session.secrets
        await self.discard(each for each in (*held, *new) if each not in kept)
        return session

    async def living(self, tenant: str, id: str) -> Session:
        """A session that is not erased. Raises NotFoundError."""
        session = (await self.store.load(Session, tenant, id)).aggregate
        if session is None or session.status == "erased":
            raise NotFoundError
        return session

    async def discard(self, sealed: Iterable[Sealed | None]) -> None:
        """Remove ciphertexts that nothing refers to any more."""
        for one in sealed:
            if one is not None:
                await self.vault.discard(one)


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)
