"""Which Chromium there is on this machine."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import playwright
from posada_contracts.errors import BrowserFailedError

Kind = Literal["shell", "chrome"]

#: Real binaries: what lies in /usr/bin is often a script that does not `exec`, so that its pid is not the browser's.
_BINARIES = (
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/headless_shell",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
_COMMANDS = (
    "chromium-headless-shell",
    "chrome-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
)
_PLAYWRIGHT_FOLDERS = ("chromium_headless_shell", "chromium")
_PLAYWRIGHT_NAMES = ("chrome-headless-shell", "headless_shell", "chrome", "*.app/Contents/MacOS/*", "*.exe")


class ChromiumNotFoundError(BrowserFailedError):
    """No Chromium here. Get one with `apt-get install chromium`, with `playwright install chromium`, or name yours."""


@dataclass(frozen=True)
class ChromiumBinary:
    """A Chromium to start. The headless shell starts faster and takes less memory; both speak DevTools."""

    path: Path
    kind: Kind
    source: Literal["setting", "playwright", "system"]


def find_chromium(setting: str | None = None) -> ChromiumBinary:
    """The one that `setting` names (a path or a command), else Playwright's own, else the system's.

    Raises `ChromiumNotFoundError`; also when `setting` names nothing: another browser than asked for would surprise.
    """
    if setting:
        named = shutil.which(setting)
        if named is None:
            raise ChromiumNotFoundError(f"There is no Chromium at {setting!r}, which the settings name.")
        return ChromiumBinary(Path(named).absolute(), _kind(Path(named)), "setting")
    if own := _first(_playwrights()):
        return ChromiumBinary(own, _kind(own), "playwright")
    if system := _first(_systems()):
        return ChromiumBinary(system, _kind(system), "system")
    raise ChromiumNotFoundError()


def _kind(path: Path) -> Kind:
    return "shell" if "headless" in path.name else "chrome"


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.is_file() and os.access(path, os.X_OK)), None)


def _systems() -> Iterator[Path]:
    yield from map(Path, _BINARIES)
    yield from (Path(found) for name in _COMMANDS if (found := shutil.which(name)))


def _playwrights() -> Iterator[Path]:
    """What `playwright install` has put there: the revision that fits this Playwright first, then the newest."""
    fitting = _fitting_revision()
    for folder in _PLAYWRIGHT_FOLDERS:
        found = [each for each in _registry().glob(f"{folder}-*") if (each / "INSTALLATION_COMPLETE").exists()]
        for each in sorted(found, key=lambda each: (each.name.endswith(f"-{fitting}"), each.name), reverse=True):
            yield from (path for name in _PLAYWRIGHT_NAMES for path in each.glob(f"chrome-*/{name}"))


def _driver() -> Path:
    return Path(str(playwright.__file__)).parent / "driver" / "package"


def _fitting_revision() -> str:
    try:
        listed = json.loads((_driver() / "browsers.json").read_text())["browsers"]
    except (OSError, ValueError, KeyError):
        return ""
    return str(next((each["revision"] for each in listed if each["name"] == "chromium"), ""))


def _registry() -> Path:
    """Where Playwright keeps its browsers."""
    match os.environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        case None | "":
            return _cache() / "ms-playwright"
        case "0":
            return _driver() / ".local-browsers"
        case chosen:
            return Path(chosen)


def _cache() -> Path:
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
