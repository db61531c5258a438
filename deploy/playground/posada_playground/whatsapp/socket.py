"""The talk between a page and the server: proof of the key, then codes until a phone has let it in, then chats."""

import asyncio
import base64
import contextlib
from typing import Literal

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import Base64Bytes, BaseModel, ValidationError

from posada_playground.site import AtSite, Site
from posada_playground.whatsapp.chats import chats_of
from posada_playground.whatsapp.code import picture
from posada_playground.whatsapp.proof import BadProofError, PublicKey, new_challenge
from posada_playground.whatsapp.switchboard import OpenPage, Switchboard

PROOF_WITHIN_S = 15.0
REFUSED = 4001  #: the close code that says so

router = APIRouter()


class Proof(BaseModel):
    """A browser's public key, and its signature of the challenge."""

    key: Base64Bytes
    signature: Base64Bytes


class Said(BaseModel):
    """What a page says later on."""

    type: Literal["refresh", "logout"]


@router.websocket("/whatsapp/socket")
async def talk(socket: WebSocket, site: AtSite) -> None:
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        try:
            key = await _proven_key(socket)
        except BadProofError:
            await socket.close(REFUSED)
            return
        with site.switchboard.open(key, socket.headers.get("user-agent", "")) as page:
            listening = asyncio.create_task(_listen(socket, page))
            try:
                await _serve(socket, page, site)
            finally:
                listening.cancel()


async def _proven_key(socket: WebSocket) -> PublicKey:
    """Raises `BadProofError`, or `WebSocketDisconnect`."""
    challenge = new_challenge()
    await socket.send_json({"type": "challenge", "challenge": base64.b64encode(challenge).decode()})
    try:
        async with asyncio.timeout(PROOF_WITHIN_S):
            proof = Proof.model_validate_json(await socket.receive_text())
    except (TimeoutError, ValidationError):
        raise BadProofError("no proof") from None
    key = PublicKey.load(proof.key)
    key.check(challenge, proof.signature)
    return key


async def _listen(socket: WebSocket, page: OpenPage) -> None:
    try:
        async for text in socket.iter_text():
            page.inbox.put_nowait(Said.model_validate_json(text).type)
    except ValidationError:
        await socket.close(REFUSED)
    page.inbox.put_nowait("gone")


async def _serve(socket: WebSocket, page: OpenPage, site: Site) -> None:
    """Until the page is gone or logged out."""
    board = site.switchboard
    while page.key not in board.devices:
        if await _show_codes(socket, page, board) == "gone":
            return
    phone = board.devices[page.key].phone
    await socket.send_json({"type": "connected", "phone": phone, "chats": chats_of(phone, site.people)})
    while (word := await page.hear()) != "gone":
        if word == "logout":
            board.forget(page.key)
        elif word == "logged_out":
            await socket.send_json({"type": "logged_out"})
            await socket.close()
            return


async def _show_codes(socket: WebSocket, page: OpenPage, board: Switchboard) -> str | None:
    """One after the other, then a button; the word that ended it."""
    for _ in range(board.qr_rotations):
        with board.showing(page) as payload:
            await socket.send_json({"type": "code", "ref": payload, "png": picture(payload)})
            word = await page.hear(board.qr_ms / 1000)
        if word in ("linked", "gone"):
            return word
    await socket.send_json({"type": "stale"})
    return await page.hear()
