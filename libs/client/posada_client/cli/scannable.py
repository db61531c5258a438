"""Codes for a phone to scan, drawn with half blocks: live on a terminal, one below the other elsewhere."""

from __future__ import annotations

from io import StringIO
from types import TracebackType
from typing import Self

import segno
from rich.live import Live
from rich.text import Text

from posada_client.cli.screen import Screen

#: Modules of light around the code. The standard wants 4; phones read it with fewer, and terminals are small.
BORDER = 2
#: Whatever colours the terminal has otherwise: inverted codes are not read by every phone.
_COLOURS = "#ffffff on #000000"


class Board:
    """Shows one code in the place of the one before."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._screen.out.is_terminal and not self._screen.as_json:
            self._live = Live(console=self._screen.out, auto_refresh=False, transient=True, vertical_overflow="visible")
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, payload: str) -> None:
        """Draw the code that says `payload`."""
        drawn = picture(payload)
        lines = drawn.plain.split("\n")
        if self._screen.out.is_terminal and (
            len(lines[0]) > self._screen.out.width or len(lines) >= self._screen.out.height
        ):
            size = f"{len(lines[0])} columns and {len(lines) + 1} lines"
            self._screen.say(f"The code needs {size}: enlarge the terminal or make its letters smaller.", "yellow")
        if self._live is not None:
            return self._live.update(drawn, refresh=True)
        return self._screen.out.print(drawn, soft_wrap=True)

    def clear(self) -> None:
        """Take the code off the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def picture(payload: str) -> Text:
    """A code as half blocks, light on dark."""
    out = StringIO()
    segno.make_qr(payload, error="l", boost_error=False).terminal(out, border=BORDER, compact=True)
    return Text(out.getvalue().rstrip("\n"), style=_COLOURS, no_wrap=True)
