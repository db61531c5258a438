"""All that the portal knows, and what each of its pages asks first."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from posada_playground.hub.accounts import Account, Accounts, make_accounts
from posada_playground.hub.sessions import Sessions
from posada_playground.hub.tokens import Tokens


@dataclass(slots=True)
class Portal:
    """Accounts, logins and tokens of one portal, and its switches."""

    accounts: Accounts = field(default_factory=lambda: Accounts(make_accounts()))
    sessions: Sessions = field(default_factory=Sessions)
    tokens: Tokens = field(default_factory=Tokens)
    slow_ms: int = 1500  #: how long each step of a slow account takes
    totp_once: bool = False  #: a TOTP code that was taken is not taken again

    async def pause(self, account: Account | None) -> None:
        """Be as slow as the account is."""
        if account is not None and account.slow:
            await asyncio.sleep(self.slow_ms / 1000)


def portal_of(request: Request) -> Portal:
    """The portal of the playground that a request came to."""
    portal = request.app.state.site.portal
    assert isinstance(portal, Portal)
    return portal


AtPortal = Annotated[Portal, Depends(portal_of)]
