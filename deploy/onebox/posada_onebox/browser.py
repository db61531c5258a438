"""Finds a Chromium for this machine, and gets one where there is none: Playwright's own, else the distribution's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from posada_browser_runner.adapters.find import ChromiumBinary, ChromiumNotFoundError, find_chromium

DISTRIBUTION = {
    "apt-get": ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "chromium-headless-shell"],
    "dnf": ["dnf", "install", "-y", "chromium-headless"],
    "apk": ["apk", "add", "chromium"],
}


def main() -> None:
    """Say which Chromium there is; get one first when there is none. Exit code 1: it could not be got."""
    try:
        binary = present() or downloaded() or installed()
    except ChromiumNotFoundError as error:
        sys.exit(f"There is no Chromium, and none could be got.\n{error.detail}")
    print(f"Chromium: {binary.path} ({binary.source})")


def present() -> ChromiumBinary | None:
    """The one that is here."""
    try:
        return find_chromium(os.environ.get("POSADA_RUNNER_CHROMIUM") or None)
    except ChromiumNotFoundError:
        if os.environ.get("POSADA_RUNNER_CHROMIUM"):
            raise
        return None


def downloaded() -> ChromiumBinary | None:
    """Playwright's download."""
    print("No Chromium here: trying Playwright's download …", flush=True)
    command = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return None
    return present()


def installed() -> ChromiumBinary:
    """The distribution's package; needs root, or sudo without a password.

    Raises:
        ChromiumNotFoundError: that did not work either.
    """
    for manager, command in DISTRIBUTION.items():
        if shutil.which(manager) is None:
            continue
        print(f"Playwright's download is not to be had: installing with {manager} …", flush=True)
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if manager == "apt-get":
            subprocess.run([*prefix, manager, "update"], check=False, stdout=subprocess.DEVNULL)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run([*prefix, *command], check=False, stdout=subprocess.DEVNULL, env=environment)
        if done.returncode and "chromium-headless-shell" in command:  # older releases have no package of its own for it
            command.remove("chromium-headless-shell")
            subprocess.run([*prefix, *command], check=False, stdout=subprocess.DEVNULL, env=environment)
    return find_chromium(None)


if __name__ == "__main__":
    main()
