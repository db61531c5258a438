"""The few words of DevTools that the runner says itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from urllib.parse import urlsplit

_TEXT_FRAME, _MASKED, _NO_MASK = b"\x81", 0x80, bytes(4)


async def ask_to_close(ws_url: str) -> None:
    """Send `Browser.close` to the browser at `ws_url` and wait until it hangs up.

    Waits for as long as that takes; returns at once when nobody listens there.
    """
    url = urlsplit(ws_url)
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            writer.write(_handshake(url.netloc, url.path))
            await reader.readuntil(b"\r\n\r\n")
            message = json.dumps({"id": 1, "method": "Browser.close"}).encode()
            writer.write(_TEXT_FRAME + bytes([_MASKED | len(message)]) + _NO_MASK + message)
            while await reader.read(1 << 16):
                pass
        finally:
            writer.close()


def _handshake(host: str, path: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()
