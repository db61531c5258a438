"""Chromium and its sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from posada_client.cli.doctor.check import Check, first_executable, on_path

SETTING = "POSADA_RUNNER_CHROMIUM"
#: Seconds a browser may take to say its version.
_VERSION_SECONDS = 15.0
_MEANS = "sessions have no browser: only what works over HTTP alone would"

_INSTALL = {
    "apt-get": "apt-get install chromium chromium-headless-shell",
    "dnf": "dnf install chromium-headless",
    "brew": "brew install --cask chromium",
    "pacman": "pacman -S chromium",
    "apk": "apk add chromium",
}
#: Where the runner looks, in its order.
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
_OF_PLAYWRIGHT = ("chrome-headless-shell", "headless_shell", "chrome", "*.app/Contents/MacOS/*")


def chromium() -> Check:
    """The Chromium that a runner would take, started to see that it can be."""
    named = os.environ.get(SETTING)
    binary = first_executable(
        on_path(named) if named else [*_of_playwright(), *map(Path, _BINARIES), *on_path(*_COMMANDS)]
    )
    if binary is None:
        found = f"{SETTING} names {named}, which cannot be run" if named else "none found"
        return Check(name="Chromium", level="missing", found=found, means=_MEANS, fix=_how_to_install())
    version = _version(binary)
    if version is None:
        fix = f"{binary} --version shows why; {_how_to_install()}"
        return Check(name="Chromium", level="missing", found=f"{binary} does not start", means=_MEANS, fix=fix)
    return Check(name="Chromium", level="ok", found=f"{version} at {binary}")


def sandbox() -> Check:
    """Whether Chromium can lock its own pages in."""
    if os.name == "posix" and os.geteuid() == 0:
        return _unlocked("running as root", "start Posada as an ordinary user")
    for switch, wanted, fix in _SWITCHES:
        if (value := _number(switch)) is not None and (value == 0) == wanted:
            return _unlocked(f"{switch} is {value}", fix)
    return Check(name="Chromium's sandbox", level="ok", found="may be used")


_SWITCHES = [
    ("/proc/sys/kernel/unprivileged_userns_clone", True, "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", True, "sysctl -w user.max_user_namespaces=15000"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        False,
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for the browser",
    ),
]
"""Where Linux says so, whether 0 is what forbids it, and how to allow it."""


def _unlocked(found: str, fix: str) -> Check:
    means = "browsers run without Chromium's own sandbox: a hostile page has one wall less to climb"
    return Check(name="Chromium's sandbox", level="warn", found=found, means=means, fix=fix)


def _of_playwright() -> list[Path]:
    linux = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path.home() / "Library/Caches" if sys.platform == "darwin" else linux
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or cache / "ms-playwright")
    folders = ("chromium_headless_shell-*", "chromium-*")
    installed = [each for folder in folders for each in sorted(root.glob(folder), reverse=True)]
    return [path for each in installed for name in _OF_PLAYWRIGHT for path in each.glob(f"chrome-*/{name}")]


def _version(binary: Path) -> str | None:
    try:
        done = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip() or "it starts") if done.returncode == 0 else None


def _how_to_install() -> str:
    here = [command for manager, command in _INSTALL.items() if shutil.which(manager)]
    return " or: ".join([*(here or _INSTALL.values()), "playwright install chromium", f"set {SETTING}"])


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None
