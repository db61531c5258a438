"""What goes wrong on purpose: slowness, rate limits, outages."""

import time
from collections import deque


class Faults:
    """The switches that the control API turns."""

    def __init__(self, page_delay_ms: int, calls_per_second: int) -> None:
        self.page_delay_ms = page_delay_ms
        self.calls_per_second = calls_per_second
        self._down_until = 0.0
        self._calls: dict[str, deque[float]] = {}

    def go_down(self, seconds: float) -> None:
        """Answers 503 for so long; 0 ends an outage."""
        self._down_until = time.monotonic() + seconds

    def seconds_down(self) -> float:
        """How much of the outage is left; 0 when there is none."""
        return max(0.0, self._down_until - time.monotonic())

    def admit(self, token: str) -> bool:
        """Whether the login may make one more call within this second. A refused call is not counted."""
        now = time.monotonic()
        calls = self._calls.setdefault(token, deque())
        while calls and calls[0] <= now - 1:
            calls.popleft()
        if len(calls) >= self.calls_per_second:
            return False
        calls.append(now)
        return True
