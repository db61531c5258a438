"""What a phone scans: a number that is good for a while, and the key of the browser that shows it."""

import base64
import io
import secrets

import segno

from posada_playground.whatsapp.proof import PublicKey

VERSION = "2@"
SCALE = 6  #: pixels per module


def new_payload(key: PublicKey) -> str:
    """A new one each time."""
    return f"{VERSION}{secrets.token_urlsafe(32)},{base64.b64encode(key.point).decode()}"


def picture(payload: str) -> str:
    """Its QR code: a PNG in base64."""
    png = io.BytesIO()
    segno.make_qr(payload, error="m").save(png, kind="png", scale=SCALE)
    return base64.b64encode(png.getvalue()).decode()
