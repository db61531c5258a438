"""A QR code as a picture, made from what it says: no screenshot, so it is sharp and never half drawn."""

from __future__ import annotations

import asyncio
import io

import segno

PIXELS = 8
"""Of one module's side: phones read it from a screen at arm's length."""


async def png(payload: str) -> bytes:
    """The code for `payload`, with the quiet zone around it that readers need."""
    return await asyncio.to_thread(_png, payload)


def _png(payload: str) -> bytes:
    picture = io.BytesIO()
    segno.make(payload, micro=False).save(picture, kind="png", scale=PIXELS)
    return picture.getvalue()
