"""A search that finds nothing is worth something only if it finds what is there."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from posada_testkit.needles import places_of

SECRET = 'cláve "de" lucía/+&=ñ-42'
WAYS = {
    "raw": SECRET.encode(),
    "urlencoded": urlencode({"password": SECRET}).encode(),
    "quoted": quote(SECRET).replace("/", "%2F").encode(),
    "json": json.dumps({"password": SECRET}).encode(),
    "json in unicode": json.dumps({"password": SECRET}, ensure_ascii=False).encode(),
    "utf-16": f"before {SECRET} after".encode("utf-16"),
    **{f"base64 after {n}": base64.b64encode(b"x" * n + SECRET.encode() + b"y" * n) for n in range(4)},
    "base64url": base64.urlsafe_b64encode(b"xx" + SECRET.encode()),
    "hex": SECRET.encode().hex().encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_planted_secret_is_found(way: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    place = tmp_path / "deep" / "file"
    place.write_bytes(b"\0noise" * 9 + WAYS[way] + b"noise\xff" * 9)
    assert places_of(tmp_path, {"password": SECRET, "other": "something-else"}) == [f"password in {place}"]
    assert places_of(tmp_path / "deep" / "none", {"password": SECRET}, {"spans": WAYS[way]}) == ["password in spans"]


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SECRET[:-1].encode() * 99)
    assert places_of(tmp_path, {"password": SECRET}, {"spans": b""}) == []
