"""Reads a QR code out of a PNG, as a phone's camera would: an independent reader, not the encoder asked again."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import zxingcpp


def read(png: bytes) -> str:
    """What the one code in the picture says."""
    (code,) = zxingcpp.read_barcodes(_pixels(png))
    return str(code.text)


def _pixels(png: bytes) -> memoryview:
    """Black and white, one byte each. Understands what our pictures are made of: one bit a pixel, filters 0 and 2."""
    chunks = dict(_chunks(png))
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (1, 0)
    packed, stride = zlib.decompress(chunks[b"IDAT"]), (width + 7) // 8
    above, pixels = bytes(stride), bytearray()
    for at in range(0, len(packed), stride + 1):
        kind, row = packed[at], packed[at + 1 : at + 1 + stride]
        assert kind in (0, 2)
        above = bytes((a + b) % 256 for a, b in zip(row, above, strict=True)) if kind else row
        pixels += bytes(255 * (above[x // 8] >> (7 - x % 8) & 1) for x in range(width))
    return memoryview(bytes(pixels)).cast("B", shape=[height, width])


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(b"\x89PNG\r\n\x1a\n")
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        yield kind, png[at + 8 : at + 8 + size]
        at += size + 12
