"""`make bench`: speed as ratios against a baseline in the same run."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import tempfile
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import browsers
import house as whole
import log
import replay
from harness import Result, servers
from posada_testkit.house import a_house
from rich.console import Console
from rich.table import Table

PARTS = ("log", "replay", "calls", "browsers")


async def results(parts: Collection[str]) -> AsyncIterator[Result]:
    """Every benchmark of these parts, one after the other."""
    with tempfile.TemporaryDirectory(prefix="posada-bench-") as folder:
        data = Path(folder)
        if "log" in parts:
            async with servers(data / "parts") as (connected, postgres):
                for result in await log.appends(connected) + await log.loads(connected):
                    yield result
        if "replay" in parts:
            async with servers(data / "replay") as (connected, postgres):
                for result in await replay.replays(connected, postgres):
                    yield result
        if "calls" in parts:
            with a_house(data / "house", ONEBOX_PAGE_DELAY_MS=5) as house:
                for result in await whole.calls(house):
                    yield result
        if "browsers" in parts:
            async for result in browsers.results(data):
                yield result


async def main() -> None:
    """Run all and print a table, or JSON; a line as soon as it is known."""
    parser = argparse.ArgumentParser(description="Speed, as ratios.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=PARTS, action="append")
    asked = parser.parse_args()
    table = Table("what", "ours", "baseline", "ratio", "aim", "met")
    progress = Console(stderr=True)
    async for result in results(asked.only or PARTS):
        if asked.json:
            print(json.dumps({**dataclasses.asdict(result), "ratio": result.ratio, "met": result.met}), flush=True)
        else:
            progress.print(" │ ".join(_row(result)), highlight=False)
            table.add_row(*_row(result))
    if not asked.json:
        Console().print(table)


def _row(result: Result) -> tuple[str, ...]:
    judged = f"{result.judged:+,.1f} {result.unit}" if result.by_difference else f"{result.ratio:.2f}"
    met = {True: "yes", False: "no", None: ""}[result.met]
    figures = (f"{figure:,.2f} {result.unit}" for figure in (result.ours, result.baseline))
    return (result.name, *figures, judged, result.aim, met)


if __name__ == "__main__":
    asyncio.run(main())
