"""Sessions' live browsers: opened, looked at, closed; and the files that they have downloaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from posada_client.decode import decode
from posada_client.errors import WaitTimeoutError
from posada_client.models import Artifact, Browser
from posada_client.transport import Ask, Transport, segment

#: Seconds a browser may take to start or to save its login, its wait in the queue not counted.
STARTING = 65.0
#: Seconds that one request holds a place in the queue while somebody waits: as often the position is seen anew.
TURN = 3
#: Seconds between two requests where the server answers sooner than asked to.
_PAUSE = 0.2


class Browsers:
    """`client.browsers`. Sessions are named by their ids."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def open(self, session_id: str, *, wait_seconds: int = 10) -> Browser:
        """Open the session's browser with its login, or join the one that is open.

        When every place is taken the session waits for one. The answer comes when the browser is open or after
        `wait_seconds`, 60 at most, with its state and position as they are then; asking again keeps the place.

        Raises:
            PosadaProblem: `queue_full`, with seconds in `extra["retry_after"]`, when too many wait.
        """
        ask = Ask(
            method="POST",
            path=f"{_at(session_id)}/browser",
            headers={"Prefer": f"wait={wait_seconds}"},
            repeat=True,
            timeout=STARTING + wait_seconds,
        )
        return decode(Browser, self._transport.json(ask))

    def wait(
        self, session_id: str, on_change: Callable[[Browser], None] | None = None, *, timeout: float | None = None
    ) -> Browser:
        """The session's browser when it is open; `on_change` sees every state and position on the way.

        Raises:
            WaitTimeoutError: it is not open within `timeout` seconds; its place in the queue is lost by and by.
            PosadaProblem: `queue_full` when too many wait.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        seen: Browser | None = None
        while True:
            browser = self.open(session_id, wait_seconds=_turn(deadline))
            if on_change and (seen is None or (browser.state, browser.position) != (seen.state, seen.position)):
                on_change(browser)
            if browser.is_open:
                return browser
            seen = browser
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError("The browser was not open in the time given.")
            time.sleep(_PAUSE)

    def close(self, session_id: str) -> bool:
        """Save the login and close the browser. False: none was open."""
        ask = Ask(method="DELETE", path=f"{_at(session_id)}/browser", timeout=STARTING)
        answer = self._transport.json(ask)
        return bool(isinstance(answer, dict) and answer.get("closed"))

    def live_url(self, session_id: str) -> str:
        """Where a web browser shows the session's browser to a person: a page that asks for a key, and opens it."""
        return f"{self._transport.base_url}{_at(session_id)}/live"

    def screenshot(self, session_id: str, *, full_page: bool = False) -> bytes:
        """What the session's page shows, as a PNG; with `full_page`, all of it down to its end."""
        query = {"full_page": "true" if full_page else None}
        return self._transport.content(Ask(path=f"{_at(session_id)}/screenshot", query=query, timeout=STARTING))

    def pdf(self, session_id: str) -> bytes:
        """The session's page as it would be printed."""
        return self._transport.content(Ask(path=f"{_at(session_id)}/pdf", timeout=STARTING))

    def artifacts(self, session_id: str) -> Iterator[Artifact]:
        """The files that the session's browsers have downloaded, newest first."""
        return (decode(Artifact, item) for item in self._transport.pages(f"{_at(session_id)}/artifacts", {}))

    def artifact(self, session_id: str, artifact_id: str, write: Callable[[bytes], object]) -> None:
        """Hand a downloaded file to `write`, piece by piece."""
        with self._transport.stream(Ask(path=f"{_at(session_id)}/artifacts/{segment(artifact_id)}")) as response:
            for piece in response.iter_bytes():
                write(piece)


def _turn(deadline: float | None) -> int:
    """Seconds to wait with one request: a whole number, and not past the deadline."""
    return TURN if deadline is None else max(0, min(TURN, round(deadline - time.monotonic())))


def _at(session_id: str) -> str:
    return f"/v1/sessions/{segment(session_id)}"
