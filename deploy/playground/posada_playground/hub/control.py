"""What the control API tells of the portal and does to it."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field

from posada_playground.control import guard
from posada_playground.hub.accounts import Account
from posada_playground.hub.portal import AtPortal

router = APIRouter(prefix="/control/hub", dependencies=[Depends(guard)])


def _account(username: str, portal: AtPortal) -> Account:
    account = portal.accounts.by_name.get(username)
    if account is None:
        raise HTTPException(404, f"there is no account {username}")
    return account


Of = Annotated[Account, Depends(_account)]


class Slowness(BaseModel):
    """How long each step of a slow account takes."""

    ms: int = Field(ge=0, le=60_000)


class Lifetime(BaseModel):
    """How long tokens live that are made from now on."""

    seconds: int = Field(ge=1, le=30 * 24 * 3600)


class Strictness(BaseModel):
    """Whether a TOTP code that was taken is refused the second time."""

    once: bool


@router.get("/accounts")
async def accounts(portal: AtPortal) -> list[dict[str, object]]:
    return [
        {
            "username": account.username,
            "password": account.password,
            "totp_secret": account.totp_secret,
            "token_in": account.place,
            "sms": account.by_sms,
            "slow": account.slow,
            "locked": account.locked,
        }
        for account in portal.accounts.by_name.values()
    ]


@router.post("/accounts/{username}/expire")
async def expire(account: Of, portal: AtPortal) -> dict[str, object]:
    return {"username": account.username, "expired_logins": portal.sessions.expire(account)}


@router.post("/accounts/{username}/lock")
async def lock(account: Of, portal: AtPortal) -> dict[str, object]:
    account.locked = True
    return {"username": account.username, "locked": True, "expired_logins": portal.sessions.expire(account)}


@router.post("/accounts/{username}/unlock")
async def unlock(account: Of) -> dict[str, object]:
    account.locked = False
    return {"username": account.username, "locked": False}


@router.get("/sms/{username}")
async def sms(account: Of) -> dict[str, object]:
    """The latest code that was sent to the account's phone and not used; `sent` counts all."""
    return {"username": account.username, "code": account.sms_code, "sent": account.sms_sent}


@router.post("/slow")
async def slow(order: Slowness, portal: AtPortal) -> dict[str, int]:
    portal.slow_ms = order.ms
    return {"slow_ms": order.ms}


@router.post("/token")
async def token(order: Lifetime, portal: AtPortal) -> dict[str, int]:
    portal.tokens.lifetime_s = order.seconds
    return {"seconds": order.seconds}


@router.post("/totp")
async def totp(order: Strictness, portal: AtPortal) -> dict[str, bool]:
    portal.totp_once = order.once
    return {"once": order.once}
