"""Where an exception came from, for the logs."""

from __future__ import annotations

import traceback

FRAMES = 6


def place_of(error: BaseException) -> list[str]:
    """The innermost lines. Not what it said: an exception's text may quote URLs, cookies and keys."""
    return [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-FRAMES:]]
