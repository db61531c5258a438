"""How long a login may take: each step, and the whole without the time in which it waits for a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from posada_scraper.platforms.base import GiveUpError

POLL_S = 0.1


class StepTimeoutError(GiveUpError):
    """A step of the login took longer than it may."""

    code = "step_timeout"


class LoginTimeoutError(GiveUpError):
    """The login as a whole took longer than it may."""

    code = "login_timeout"


class StoppedError(Exception):
    """Nobody wants this login any more."""


class Clock:
    """Told to the thread that drives a form; asked by it before each thing it does."""

    def __init__(self, step_s: float, whole_s: float) -> None:
        self._step_s, self._left_s = step_s, whole_s
        self._step = ""
        self._step_ends = self._whole_ends = 0.0
        self._stop = threading.Event()

    def stop(self) -> None:
        """From any thread: let the login end where it is."""
        self._stop.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Time runs while the block does."""
        began = time.monotonic()
        self._whole_ends = began + self._left_s
        try:
            yield
        finally:
            self._left_s -= time.monotonic() - began

    def step(self, name: str) -> None:
        """A new step begins; `name` is for people."""
        self._step, self._step_ends = name, time.monotonic() + self._step_s
        self.left()

    def left(self) -> float:
        """Seconds that the present step has left.

        Raises:
            StepTimeoutError, LoginTimeoutError: none.
            StoppedError: the login is to end.
        """
        if self._stop.is_set():
            raise StoppedError
        now = time.monotonic()
        if now >= self._whole_ends:
            raise LoginTimeoutError(f"the login was not done in time; it stood at: {self._step}")
        if now >= self._step_ends:
            raise StepTimeoutError(f"took longer than {self._step_s:g} s: {self._step}")
        return min(self._step_ends, self._whole_ends) - now

    def pause(self) -> None:
        """Between two looks at the page."""
        self._stop.wait(min(POLL_S, self.left()))
