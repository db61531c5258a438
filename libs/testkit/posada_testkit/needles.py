"""How a secret may be spelled where it should not be, and the search for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

SHORTEST_BASE64 = 8
"""Fewer characters than that turn up by chance."""


def spellings(secret: str) -> set[bytes]:
    """The bytes of `secret` as logs, URLs, JSON, HTML, base 64 and UTF-16 have them."""
    raw = secret.encode()
    texts = {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        escape(secret),
        repr(secret)[1:-1],
        raw.hex(),
    }
    return {text.encode() for text in texts} | {secret.encode("utf-16-le"), secret.encode("utf-16-be")} | _base64(raw)


def _base64(raw: bytes) -> set[bytes]:
    """What of base 64 stays the same whatever stands before and after, for each of the three ways it may fall."""
    found = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        inner = encoded[-(-before * 4 // 3) + (1 if before else 0) :].rstrip(b"=")[:-1]
        if len(inner) >= SHORTEST_BASE64:
            found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def places_of(directory: Path, secrets: Mapping[str, str], also: Mapping[str, bytes] | None = None) -> list[str]:
    """Where below `directory`, and in which of `also`, a secret stands in any spelling: `<name> in <place>`."""
    needles = {name: spellings(secret) for name, secret in secrets.items()}
    found = []
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        try:
            content = path.read_bytes()
        except OSError:  # its owner tidies up while we look
            continue
        found += [f"{name} in {path}" for name in _in(content, needles)]
    for place, content in (also or {}).items():
        found += [f"{name} in {place}" for name in _in(content, needles)]
    return found


def _in(content: bytes, needles: Mapping[str, set[bytes]]) -> list[str]:
    return [name for name, spelled in needles.items() if any(each in content for each in spelled)]
