"""Files full of logins, read line by line: what cannot be used says why, and stops none of the others."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: As the exports of older systems name things.
_ALIASES = {"id_usuario": "owner", "plataforma": "platform"}
_TAKEN = frozenset({"owner", "platform", "storage_state", "cookies", "origins", "proxy_url", "user_agent"}) | {
    "priority",
    "labels",
}
_PASSED_OVER = frozenset({"id", "id_sesion", "status", "estado", "ultima_actividad", "created_at", "last_activity_at"})
_ELSEWHERE = {"owner": "--owner-from-name takes the file's name", "platform": "--platform says which"}
SUFFIXES = frozenset({".json", ".ndjson", ".jsonl", ".csv"})


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How to read: what stands in for an absent platform, and whether a file's name is its owner."""

    platform: str = ""
    owner_from_name: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One session to import, or why not. `where` is the file, with the line or position in it."""

    where: str
    owner: str = ""
    platform: str = ""
    rest: dict[str, Any] = field(default_factory=dict, repr=False)
    why_not: str = ""


class UnusableError(ValueError):
    """This entry cannot be used."""


def entries(path: Path, reading: Reading) -> Iterator[Entry]:
    """Every entry of a file, or of all files in a directory."""
    if path.is_dir():
        for each in sorted(path.iterdir()):
            if each.suffix.lower() in SUFFIXES:
                yield from entries(each, reading)
        return
    try:
        for where, raw in _raw(path):
            yield _entry(where, raw, path, reading)
    except OSError as error:
        yield Entry(where=path.name, why_not=f"cannot be read: {error.strerror}")
    except (UnicodeDecodeError, csv.Error):
        yield Entry(where=path.name, why_not="is no text of the kind that its name promises")


def _raw(path: Path) -> Iterator[tuple[str, object]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _csv_rows(path)
    return _json_lines(path) if suffix in {".ndjson", ".jsonl"} else _json_items(path)


def _csv_rows(path: Path) -> Iterator[tuple[str, object]]:
    csv.field_size_limit(16 * 1024 * 1024)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            where = f"{path.name}:{reader.line_num}"
            if None in row or None in row.values():
                yield where, UnusableError("it has not as many cells as the first line")
            else:
                yield where, {name: value for name, value in row.items() if value}


def _json_lines(path: Path) -> Iterator[tuple[str, object]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{path.name}:{number}", _parsed(line)


def _json_items(path: Path) -> Iterator[tuple[str, object]]:
    document = _parsed(path.read_text(encoding="utf-8-sig"))
    if not isinstance(document, list) or _are_cookies(document):
        yield path.name, document
        return
    for number, item in enumerate(document, 1):
        yield f"{path.name}#{number}", item


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return UnusableError("it is not JSON")


def _entry(where: str, raw: object, path: Path, reading: Reading) -> Entry:
    try:
        members = _members(raw)
        owner = _word(members, "owner", path.stem if reading.owner_from_name else "")
        platform = _word(members, "platform", reading.platform)
        return Entry(where=where, owner=owner, platform=platform, rest=_rest(members))
    except UnusableError as error:
        return Entry(where=where, why_not=str(error))


def _word(members: Mapping[str, Any], name: str, otherwise: str) -> str:
    """Whose, or on what platform. Raises UnusableError when nothing says so."""
    word = members.get(name) or otherwise
    if not word:
        raise UnusableError(f"it names no {name} ({_ELSEWHERE[name]})")
    return str(word)


def _members(raw: object) -> dict[str, Any]:
    if isinstance(raw, UnusableError):
        raise raw
    if isinstance(raw, list) and _are_cookies(raw):
        return {"cookies": raw}
    if not isinstance(raw, Mapping):
        raise UnusableError("it is not an object")
    members = {_ALIASES.get(name, str(name)): value for name, value in raw.items() if name not in _PASSED_OVER}
    if unknown := sorted(set(members) - _TAKEN):
        # A misspelt proxy passed over in silence would send this login out without one.
        raise UnusableError(f"it has members that mean nothing here: {', '.join(unknown)}")
    return members


def _rest(members: dict[str, Any]) -> dict[str, Any]:
    """What the session is made with, besides owner and platform."""
    login = _login(members)
    rest = {name: members[name] for name in ("proxy_url", "user_agent", "priority") if members.get(name)}
    if labels := _as_json(members.get("labels")):
        rest["labels"] = labels
    return {**rest, "storage_state": login}


def _login(members: Mapping[str, Any]) -> object:
    state, cookies = _as_json(members.get("storage_state")), _as_json(members.get("cookies"))
    login = state or cookies
    if not login:
        raise UnusableError("it has neither a storage_state nor cookies")
    if not state and isinstance(login, list) and members.get("origins"):
        return {"cookies": login, "origins": members["origins"]}
    return login


def _as_json(value: object) -> Any:
    """A member that may be JSON within JSON, as in the cell of a table."""
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise UnusableError("its login is not JSON") from None


def _are_cookies(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) and "name" in item and "value" in item for item in items)
