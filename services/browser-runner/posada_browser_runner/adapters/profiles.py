"""The directories of the browsers on this machine: one profile for every start, never used twice.

    <root>/<name>.<start id>/profile    what Chromium calls its user data directory
    <root>/<name>.<start id>/tmp        its temporary files and its log
    <root>/<name>.<start id>/downloads  what pages gave to download and is not sealed yet
    <root>/<name>.<start id>/session    the id of the session it was given to, when it stood ready before
    <root>/quarantine/<time>.<name>.<start id>

The name is the session's id, or `warm` for a browser that was started before anybody wanted it.

A fresh name for each start is also what keeps two browsers from opening one profile: the headless shell has no lock.
Symbolic links are never followed: a link in the root's place of a directory is removed as a link.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_QUARANTINE = "quarantine"
_OWNER = "session"
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PRIVATE = 0o700


@dataclass(frozen=True)
class ProfileDir:
    """The directory of one start of a session's browser."""

    path: Path
    session_id: str
    start_id: str

    @property
    def profile(self) -> Path:
        """Chromium's user data directory."""
        return self.path / "profile"

    @property
    def downloads(self) -> Path:
        """Where its downloads arrive."""
        return self.path / "downloads"

    @property
    def tmp(self) -> Path:
        """Its temporary directory."""
        return self.path / "tmp"


class Profiles:
    """All profile directories below `root`, which is made when it is missing."""

    def __init__(self, root: Path, keep_quarantined: int = 10) -> None:
        root.mkdir(_PRIVATE, parents=True, exist_ok=True)
        self.root, self._keep = root.resolve(), keep_quarantined
        (self.root / _QUARANTINE).mkdir(_PRIVATE, exist_ok=True)

    def create(self, session_id: str, start_id: str) -> ProfileDir:
        """New, empty, and for this user's eyes only.

        Raises `ValueError` for ids of anything but letters, digits, `_` and `-`; `FileExistsError` for a pair of
        ids used before.
        """
        if not _fit(session_id, start_id):
            raise ValueError(f"not fit for a directory's name: {session_id!r}, {start_id!r}")
        made = ProfileDir(self.root / f"{session_id}.{start_id}", session_id, start_id)
        for path in (made.path, made.profile, made.tmp, made.downloads):
            path.mkdir(_PRIVATE)
        return made

    def give(self, profile: ProfileDir, session_id: str) -> None:
        """Note that the directory is this session's from now on."""
        if profile.session_id != session_id:
            (self._mine(profile) / _OWNER).write_text(session_id)

    def of_session(self, session_id: str) -> list[ProfileDir]:
        """The directories that are, or were, this session's."""
        return [each for each in self.leftovers(()) if session_id in (each.session_id, _owner(each.path))]

    def remove(self, profile: ProfileDir) -> None:
        """Remove it with all that is in it. One that is gone already is fine."""
        _remove(self._mine(profile))

    def leftovers(self, alive_start_ids: Collection[str]) -> list[ProfileDir]:
        """The directories that belong to no live start."""
        found = (_parse(path) for path in sorted(self.root.iterdir()))
        return [each for each in found if each is not None and each.start_id not in alive_start_ids]

    def quarantine(self, profile: ProfileDir) -> Path:
        """Put it aside for a person to look at; only the newest few are kept. Raises `FileNotFoundError`."""
        aside = self.root / _QUARANTINE
        target = self._mine(profile).rename(aside / f"{time.time_ns()}.{profile.path.name}")
        for old in sorted(aside.iterdir(), key=lambda path: path.name, reverse=True)[self._keep :]:
            _remove(old)
        return target

    def _mine(self, profile: ProfileDir) -> Path:
        """Its path, told by the ids alone and so certainly below the root."""
        path = self.root / f"{profile.session_id}.{profile.start_id}"
        if profile.path != path or not _fit(profile.session_id, profile.start_id):
            raise ValueError(f"not one of these profiles: {profile.path}")
        return path


def _owner(path: Path) -> str:
    try:
        return (path / _OWNER).read_text()
    except OSError:
        return ""


def _fit(session_id: str, start_id: str) -> bool:
    return bool(_WORD.fullmatch(session_id) and _WORD.fullmatch(start_id))


def _parse(path: Path) -> ProfileDir | None:
    session_id, _, start_id = path.name.partition(".")
    if not _fit(session_id, start_id) or not (path.is_dir() or path.is_symlink()):
        return None
    return ProfileDir(path, session_id, start_id)


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path, ignore_errors=True)  # a dying browser may still write; what is left is a leftover
