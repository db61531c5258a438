"""Links: sessions that a phone lets in when it scans a code."""

from __future__ import annotations

import time
from collections.abc import Callable

from posada_client.decode import decode
from posada_client.errors import PosadaProblem, WaitTimeoutError
from posada_client.models import CleanReport, Link, LinkCode
from posada_client.transport import Ask, Transport, segment

#: Seconds the first code, or a clean-up, may take: a browser has to start for it.
SLOW = 70.0
#: Seconds between two looks at a link: codes change every few seconds.
LOOK = 0.5
#: Statuses of a code that was there a moment ago: taken away, or scanned.
_GONE = frozenset({404, 409})


class Links:
    """`client.links`. Sessions are named by their ids."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def connect(self, session_id: str) -> Link:
        """Link the session, or join who is at it; answers when there is a code or the session is connected."""
        ask = Ask(method="POST", path=_at(session_id), repeat=True, timeout=SLOW)
        return decode(Link, self._transport.json(ask))

    def get(self, session_id: str) -> Link:
        """How the link stands."""
        return decode(Link, self._transport.json(Ask(path=_at(session_id), repeat=True)))

    def qr(self, session_id: str) -> LinkCode:
        """The code to scan, as what it says. It changes every few seconds.

        Raises:
            PosadaProblem: `not_found` when there is none just now, `conflict` when the session is connected.
        """
        return decode(LinkCode, self._transport.json(Ask(path=f"{_at(session_id)}/qr", repeat=True)))

    def qr_png(self, session_id: str) -> bytes:
        """The code to scan, as a picture. Raises as `qr` does."""
        return self._transport.content(Ask(path=f"{_at(session_id)}/qr", headers={"Accept": "image/png"}))

    def wait(
        self,
        session_id: str,
        on_code: Callable[[LinkCode], None],
        on_change: Callable[[Link], None] | None = None,
        *,
        timeout: float | None = None,
    ) -> Link:
        """The link when it is connected or has ended; every code that is to be scanned is handed to `on_code`.

        Raises:
            WaitTimeoutError: neither within `timeout` seconds. It goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        state, code = "", ""
        while True:
            link = self.get(session_id)
            if on_change and link.state != state:
                on_change(link)
            state = link.state
            if link.settled:
                return link
            if link.has_qr and (new := self._code(session_id)) and new.qr != code:
                code = new.qr
                on_code(new)
            if deadline is not None and time.monotonic() > deadline:
                raise WaitTimeoutError("Nobody has scanned the code in the time given. The link goes on waiting.")
            time.sleep(LOOK)

    def clean(self, session_id: str) -> CleanReport:
        """End the link and clean its session; the login stays. Safe to repeat."""
        return decode(CleanReport, self._transport.json(Ask(method="DELETE", path=_at(session_id), timeout=SLOW)))

    def _code(self, session_id: str) -> LinkCode | None:
        try:
            return self.qr(session_id)
        except PosadaProblem as problem:
            if problem.status not in _GONE:
                raise
            return None


def _at(session_id: str) -> str:
    return f"/v1/sessions/{segment(session_id)}/link"
