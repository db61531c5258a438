"""What is shown: tables for people, JSON for programs on stdout, messages on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from posada_client.decode import encode

#: Columns where nothing limits them: a pipe or a file loses nothing to a narrow screen.
_UNLIMITED = 10_000
#: Characters between two columns.
_GAP = 3
_STYLES = {
    **dict.fromkeys(["active", "valid", "ok", "open", "succeeded", "imported", "yes", "equal", "connected"], "green"),
    **dict.fromkeys(
        [
            "expired",
            "queued",
            "starting",
            "running",
            "needs_user",
            "initializing",
            "qr",
            "exists",
            "warn",
            "unknown",
            "cancelled",
        ],
        "yellow",
    ),
    **dict.fromkeys(["banned", "failed", "refused", "missing", "error", "differs", "disconnected"], "red"),
    **dict.fromkeys(["cleaned", "erased", "none", "revoked"], "dim"),
}


@dataclass(frozen=True)
class Column:
    """A column of a table. The highest `rank` gives way first where the screen is narrow; 0 always stays."""

    title: str
    rank: int = 0
    right: bool = False


class Screen:
    """stdout and stderr of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def document(self, value: object) -> None:
        """The one JSON document of a command."""
        print(json.dumps(encode(value), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))

    def record(self, value: object) -> None:
        """One line of a stream of JSON documents; out at once, for whoever reads along."""
        print(json.dumps(encode(value), ensure_ascii=False), flush=True)

    def say(self, message: str, style: str = "") -> None:
        """A message for people."""
        self.err.print(Text(printable(message), style=style), soft_wrap=True)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[object]], *, empty: str) -> None:
        """A table as wide as the screen allows, or `empty` where there is nothing to show."""
        if not rows:
            self.say(empty)
            return
        cells = [[shown(value) for value in row] for row in rows]
        kept = _fitting(columns, cells, self.out.width)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
        for index in kept:
            column = columns[index]
            table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
        for row in cells:
            table.add_row(*(Text(row[index], style=_STYLES.get(row[index], "")) for index in kept))
        self.out.print(table)

    def pairs(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Names and values, one pair a line."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in pairs:
            text = shown(value)
            grid.add_row(name, Text(text, style=_STYLES.get(text, "")))
        self.out.print(grid)


def printable(text: str) -> str:
    """Text that cannot move a terminal's cursor or change its colours, whoever wrote it."""
    return "".join(each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in text)


def shown(value: object) -> str:
    """A value as people read it in a cell."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict | list):
        return printable(compact(value))
    return printable(str(value)).replace("\n", " ")


def compact(value: Any) -> str:
    """JSON in as little room as it takes; labels and the like as k=v."""
    if isinstance(value, dict) and all(isinstance(each, str | int | float) for each in value.values()):
        return " ".join(f"{name}={each}" for name, each in value.items()) or "-"
    return json.dumps(encode(value), ensure_ascii=False, separators=(",", ":"))


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or os.environ.get("COLUMNS") else _UNLIMITED
    return Console(stderr=stderr, width=wide, markup=False, emoji=False, highlight=False)


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """Which columns fit side by side."""
    kept = list(range(len(columns)))
    needed = [max(cell_len(text) for text in (columns[i].title, *(row[i] for row in cells))) + _GAP for i in kept]
    while sum(needed[i] for i in kept) > width + _GAP and any(columns[i].rank for i in kept):
        kept.remove(max(kept, key=lambda i: (columns[i].rank, i)))
    return kept
