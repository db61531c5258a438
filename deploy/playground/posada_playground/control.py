"""The control API: makes things go wrong, and hands out logins, for tests and demos."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from pydantic import BaseModel, Field

from posada_playground.logins import Account
from posada_playground.site import AtSite
from posada_playground.social.cookies import storage_state


def guard(site: AtSite, authorization: Annotated[str, Header()] = "") -> None:
    """Raises `HTTPException` (401) unless the caller has the control key."""
    expected = f"Bearer {site.settings.control_key}"
    if not hmac.compare_digest(authorization.encode(), expected.encode()):
        raise HTTPException(401, "the control key is missing or wrong")


def _account(email: str, site: AtSite) -> Account:
    account = site.logins.accounts.get(email)
    if account is None:
        raise HTTPException(404, f"there is no account {email}")
    return account


Of = Annotated[Account, Depends(_account)]
router = APIRouter(prefix="/control", dependencies=[Depends(guard)])


class LoginOrder(BaseModel):
    """Whose login to make; an expired one looks the same, but no page accepts it."""

    email: str
    expired: bool = False


class Delay(BaseModel):
    """How long each page of friends is held back."""

    ms: int = Field(ge=0, le=60_000)


class Rate(BaseModel):
    """How many graphql calls a login may make within a second."""

    per_second: int = Field(ge=1)


class Outage(BaseModel):
    """How long the sites answer 503; 0 ends it."""

    seconds: float = Field(ge=0, le=3600)


@router.post("/accounts/{email}/expire")
async def expire(account: Of, site: AtSite) -> dict[str, object]:
    return {"email": account.email, "expired_logins": site.logins.expire(account)}


@router.post("/accounts/{email}/lock")
async def lock(account: Of) -> dict[str, object]:
    account.locked = True
    return {"email": account.email, "locked": True}


@router.post("/accounts/{email}/unlock")
async def unlock(account: Of) -> dict[str, object]:
    account.locked = False
    return {"email": account.email, "locked": False}


@router.post("/login")
async def login(order: LoginOrder, site: AtSite, request: Request) -> dict[str, object]:
    """A Playwright storage_state, as a browser would hold it after the login form."""
    made = site.logins.start(_account(order.email, site))
    if order.expired:
        site.logins.close(made)
    return storage_state(made, site.origin(request))


@router.post("/delay")
async def delay(order: Delay, site: AtSite) -> dict[str, int]:
    site.faults.page_delay_ms = order.ms
    return {"ms": order.ms}


@router.post("/rate")
async def rate(order: Rate, site: AtSite) -> dict[str, int]:
    site.faults.calls_per_second = order.per_second
    return {"per_second": order.per_second}


@router.post("/down")
async def down(order: Outage, site: AtSite) -> dict[str, float]:
    site.faults.go_down(order.seconds)
    return {"seconds": order.seconds}


@router.get("/requests")
async def requests(site: AtSite, since: int = 0) -> dict[str, object]:
    """What the sites have answered after request number `since`; `last` is the next call's `since`."""
    by_path, by_request = site.log.since(since)
    return {"last": site.log.last, "total": by_path.total(), "by_path": by_path, "by_request": by_request}
