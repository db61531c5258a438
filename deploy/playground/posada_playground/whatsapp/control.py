"""The phones: what a person would do with one in the hand."""

from typing import Annotated

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field

from posada_playground.control import guard
from posada_playground.site import AtSite
from posada_playground.whatsapp.switchboard import CodeGoneError, Device

router = APIRouter(prefix="/control/whatsapp", dependencies=[Depends(guard)])
Phone = Annotated[str, Field(min_length=1, max_length=64)]


class Scan(BaseModel):
    """Which code is held before which phone's camera."""

    ref: str
    phone: Phone


class Logout(BaseModel):
    """The phone that ends all its linked devices."""

    phone: Phone


class Rotation(BaseModel):
    """How long each code is shown from now on, and how many; what is left out stays."""

    ms: int | None = Field(default=None, ge=10, le=600_000)
    rotations: int | None = Field(default=None, ge=1, le=1000)


@router.post("/scan")
async def scan(order: Scan, site: AtSite) -> dict[str, object]:
    try:
        return _told(site.switchboard.scan(order.ref, order.phone))
    except CodeGoneError:
        raise HTTPException(410, "no page shows this code (any more)") from None


@router.post("/logout")
async def logout(order: Logout, site: AtSite) -> dict[str, object]:
    return {"phone": order.phone, "logged_out": site.switchboard.log_out(order.phone)}


@router.post("/qr")
async def qr(order: Rotation, site: AtSite) -> dict[str, int]:
    """Codes that are on a page already stay as long as they were to."""
    board = site.switchboard
    board.qr_ms = order.ms or board.qr_ms
    board.qr_rotations = order.rotations or board.qr_rotations
    return {"ms": board.qr_ms, "rotations": board.qr_rotations}


@router.get("/devices")
async def devices(site: AtSite) -> list[dict[str, object]]:
    board = site.switchboard
    return [_told(device) | {"open_pages": board.open_pages(device.key)} for device in board.devices.values()]


def _told(device: Device) -> dict[str, object]:
    pem = load_der_public_key(device.key.der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "device": device.key.fingerprint,
        "phone": device.phone,
        "public_key": pem.decode(),
        "user_agent": device.user_agent,
        "linked_at": device.linked_at.isoformat(),
    }
