"""`make bench`: speed as ratios against a baseline in the same run."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import house as whole
import log
import replay
from harness import Result, servers
from posada_testkit.house import a_house
from rich.console import Console
from rich.table import Table


async def results() -> AsyncIterator[Result]:
    """Every benchmark, one after the other."""
    with tempfile.TemporaryDirectory(prefix="posada-bench-") as folder:
        data = Path(folder)
        async with servers(data / "parts") as (connected, postgres):
            for result in await log.appends(connected) + await log.loads(connected):
                yield result
        async with servers(data / "replay") as (connected, postgres):
            for result in await replay.replays(connected, postgres):
                yield result
        with a_house(data / "house", ONEBOX_PAGE_DELAY_MS=5) as house:
            for result in await whole.calls(house):
                yield result


async def main() -> None:
    """Run all and print a table, or JSON."""
    parser = argparse.ArgumentParser(description="Speed, as ratios.")
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    table = Table("what", "ours", "baseline", "ratio", "aim")
    async for result in results():
        if as_json:
            print(json.dumps({**dataclasses.asdict(result), "ratio": result.ratio}), flush=True)
        table.add_row(
            result.name,
            f"{result.ours:,.2f} {result.unit}",
            f"{result.baseline:,.2f} {result.unit}",
            f"{result.ratio:.2f}",
            result.aim,
        )
    if not as_json:
        Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
