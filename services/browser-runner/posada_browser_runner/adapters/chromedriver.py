"""One chromedriver for all browsers of a runner: started when first needed, again when it has died."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

import httpx
from posada_contracts.errors import BrowserFailedError
from posada_runtime.log import get_logger
from posada_runtime.processes import MARK_VARIABLE, Mark

_PLACES = ("/usr/lib/chromium/chromedriver", "/usr/lib64/chromium-browser/chromedriver")
_READY = re.compile(rb"started successfully on port (\d+)")
_START_S = 10.0
LARGEST_ANSWER = 64 << 20
_PATIENCE_S = 320.0  #: a page may take 300 s to load, as WebDriver has it


class NoChromedriverError(BrowserFailedError):
    """There is no chromedriver on the runner's machine. Get one with `apt-get install chromium-driver`."""


def find_chromedriver() -> Path:
    """The chromedriver of this machine. Raises NoChromedriverError."""
    named = shutil.which("chromedriver")
    found = next((path for path in map(Path, (*([named] if named else []), *_PLACES)) if path.is_file()), None)
    if found is None:
        raise NoChromedriverError
    return found


class Chromedriver:
    """Speaks W3C WebDriver on loopback. Whoever reaches it can drive any browser of this machine: no client does."""

    def __init__(self, mark: Mark) -> None:
        self._mark = mark
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._http: httpx.AsyncClient | None = None
        self._draining: asyncio.Task[None] | None = None

    async def ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Pass a request on; status and body of the answer.

        Raises:
            NoChromedriverError, BrowserFailedError: it is not there, or does not answer.
        """
        http = await self._running()
        headers = {"Content-Type": "application/json; charset=utf-8"} if body else {}
        try:
            async with http.stream(method, path, content=body or None, headers=headers) as answer:
                if int(answer.headers.get("Content-Length", 0)) > LARGEST_ANSWER:
                    raise BrowserFailedError("what the browser answers is too large: over 64 MiB")
                return answer.status_code, await answer.aread()
        except httpx.HTTPError:
            raise BrowserFailedError("the WebDriver server does not answer") from None

    async def _running(self) -> httpx.AsyncClient:
        async with self._starting:
            if self._http is None or self._process is None or self._process.returncode is not None:
                await self._stop()
                self._http = await self._start()
            return self._http

    async def _start(self) -> httpx.AsyncClient:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self._process = await asyncio.create_subprocess_exec(
            str(find_chromedriver()),
            "--port=0",
            env=kept | {MARK_VARIABLE: self._mark.encode()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_START_S):
                port = await self._port(self._process)
        except TimeoutError:
            raise BrowserFailedError("the WebDriver server did not start in time") from None
        get_logger().info("chromedriver_started", pid=self._process.pid)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=_PATIENCE_S, limits=limits, trust_env=False
        )

    async def _port(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if (said := _READY.search(line)) is not None:
                self._draining = asyncio.create_task(_drain(process.stdout), name="chromedriver's words")
                return int(said[1])
        raise BrowserFailedError("the WebDriver server ended at once")

    async def stop(self) -> None:
        """End it. Browsers live on."""
        async with self._starting:
            await self._stop()

    async def _stop(self) -> None:
        if self._http is not None:
            await self._http.aclose()
        if self._draining is not None:
            self._draining.cancel()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self._http = self._process = self._draining = None


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        continue
