"""`make faults`: rounds of SIGKILL under load, and after each a look at what it cost.

In every round one session logs in by the site's form, others are driven over DevTools, now and then a job runs; one
process is killed: a browser-runner, a Chromium, the gateway or NATS. Then everything must answer again, no process and
no profile may be left over, and every saved login must still be one. At the end the log is audited and replayed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Error, async_playwright
from posada_client.errors import ClientError
from posada_runtime.processes import find_marked, keeper_alive
from posada_testkit.driving import until
from posada_testkit.house import House, a_house

from .driven_load import Load, Place

RUNNERS = 2
SETTINGS = {"ONEBOX_RUNNERS": RUNNERS, "RUNNER_WARM": 1, "ONEBOX_PAGE_DELAY_MS": 60}
WHOLE_S, CLEAN_S = 60.0, 10.0
JOB_EVERY = 3
VICTIMS = ("browser-runner", "chromium", "gateway", "nats")


@dataclass
class Round:
    """What one round did and cost."""

    number: int
    victim: str
    acknowledged: bool  #: the kill came right after the login was said to be saved, and not somewhere around it
    whole_s: float = 0.0  #: until everything answered again
    clean_s: float = 0.0  #: from then until nothing was left over
    logins_s: float = 0.0
    visit_s: float = 0.0  #: the longest that a client has waited, from connecting to the end, well or not
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        when = "after the save" if self.acknowledged else "at any moment"
        times = f"whole {self.whole_s:4.1f} s  clean +{self.clean_s:3.1f} s  logins {self.logins_s:4.1f} s"
        times += f"  longest visit {self.visit_s:4.1f} s"
        return f"round {self.number:3d}  {self.victim:17s} {when:15s} {times}  {'; '.join(self.faults) or 'ok'}"


class Rounds:
    """Rounds of one house. The same seed draws the same victims, sessions and moments."""

    def __init__(self, house: House, load: Load, rng: random.Random) -> None:
        self._house, self._load, self._rng = house, load, rng
        self._killed = "", 0

    async def run(self, count: int) -> AsyncIterator[Round]:
        """One round after the other."""
        await self._load.prepare()
        for number in range(1, count + 1):
            kind = VICTIMS[(number - 1) % len(VICTIMS)] if number <= len(VICTIMS) else self._rng.choice(VICTIMS)
            done = Round(number, kind, acknowledged=self._rng.random() < 2 / 3)
            try:
                await self._one(done)
            except (AssertionError, Error, ClientError, OSError) as wrong:
                done.faults.append(f"{type(wrong).__name__}: {wrong}")
            yield done

    async def _one(self, this: Round) -> None:
        place = self._rng.choice(self._load.places)
        job = await self._load.begin_job() if this.number % JOB_EVERY == 0 else None
        async with self._load.running(besides=place):
            async with self._load.logging_in(place) as click:
                clicked = asyncio.ensure_future(click())
                if this.acknowledged:
                    await clicked
                    await self._load.until_saved(place)
                else:
                    await asyncio.sleep(self._rng.random())
                this.victim = self._kill(this.victim, place)
                whole = asyncio.create_task(self._until_whole())
                clicked.cancel()
                await asyncio.gather(clicked, return_exceptions=True)
            await asyncio.sleep(self._rng.random())  # the load goes on into the failure
        this.faults += self._load.take_faults()
        this.visit_s, self._load.longest_visit_s = self._load.longest_visit_s, 0.0
        this.whole_s = await whole
        this.clean_s = await self._clean()
        began = time.monotonic()
        this.faults += await self._load.lost_logins(place)
        if job is not None:
            this.faults += await self._load.lost_in_job(job)
        this.logins_s = time.monotonic() - began

    def _kill(self, kind: str, place: Place) -> str:
        name, pid = kind, 0
        if kind == "browser-runner":
            name = f"{kind}-{self._rng.randint(1, RUNNERS)}"
        if kind == "chromium":
            open_ = [one for each in self._load.places for one in self._house.browsers(each.session.id)[:1]]
            mine = self._house.browsers(place.session.id)[:1] if self._rng.random() < 0.5 else []
            pid = self._rng.choice(mine or open_).pid
        self._killed = name, pid or self._house.pid(name)
        os.kill(self._killed[1], signal.SIGKILL)
        return name

    async def _until_whole(self) -> float:
        """Seconds until everything answers again."""
        killed = time.monotonic()
        await until(self._whole, "everything answers again", WHOLE_S)
        return time.monotonic() - killed

    def _whole(self) -> bool:
        """Whether whoever was killed is there anew, and all is well."""
        name, pid = self._killed
        try:
            if self._house.run["pids"].get(name) == pid:
                return False
            with self._house.client(timeout=5) as posada:
                return posada.health().status == "ok" and len(posada.stats().runners) == RUNNERS
        except (ClientError, OSError):
            return False

    async def _clean(self) -> float:
        """Seconds until nothing is left over."""
        began = time.monotonic()
        while left := await asyncio.to_thread(self._leftovers):
            assert time.monotonic() - began < CLEAN_S, f"left after {CLEAN_S:g} s: {', '.join(left)}"
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    def _leftovers(self) -> list[str]:
        """Processes whose keeper is dead, and directories that belong to no live start."""
        folders = [each for each in self._house.data.glob("runners/*/*") if each.name != "quarantine"]
        marked = find_marked(self._house.id)
        live = {one.mark.start_id for one in marked if keeper_alive(one.mark)}
        orphans = [f"process {one.pid}" for one in marked if not keeper_alive(one.mark)]
        stale = [each for each in folders if each.name.rpartition(".")[2] not in live and each.exists()]
        return orphans + [f"{each.parent.name}/{each.name}" for each in stale]


async def check_books(house: House) -> list[str]:
    """What is wrong with the log, or with the read models made of it."""

    def look() -> list[str]:
        with house.client() as posada:
            faults = [f"audit: {fault}" for fault in posada.audit().faults]
            return faults + [f"replay: {table}" for table in posada.replay(verify=True).tables if not table.equal]

    return await asyncio.to_thread(look)


async def run(house: House, count: int, seed: int) -> AsyncIterator[Round]:
    """Rounds on a running house."""
    rng = random.Random(seed)
    async with async_playwright() as playwright:
        async for done in Rounds(house, Load(house, playwright, rng), rng).run(count):
            yield done


async def main() -> int:
    """Print a line for each round, and a summary. How many rounds, and the books, were at fault."""
    parser = argparse.ArgumentParser(description="Kill parts of the house under load, round after round.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.randrange(10**6)
    print(f"{asked.rounds} rounds, SEED={seed}", flush=True)
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="posada-faults-") as folder, a_house(Path(folder), **SETTINGS) as house:
        async for done in run(house, asked.rounds, seed):
            rounds.append(done)
            print(done, flush=True)
        books = await check_books(house)
    summarise(rounds, books)
    return sum(bool(done.faults) for done in rounds) + len(books)


def summarise(rounds: list[Round], books: list[str]) -> None:
    """Print what all rounds came to."""
    kills = Counter(done.victim.rstrip("-0123456789") for done in rounds)
    bad = sum(bool(done.faults) for done in rounds)
    whole = [done.whole_s for done in rounds] or [0.0]
    print(f"\nkilled: {', '.join(f'{name} {count}' for name, count in kills.most_common())}")
    print(f"everything answered again after {statistics.median(whole):.1f} s (median), {max(whole):.1f} s at most")
    print(f"all was clean {max(done.clean_s for done in rounds):.1f} s after that at most")
    print(f"rounds at fault: {bad} of {len(rounds)}; books: {'; '.join(books) or 'clean, replay equal'}")


if __name__ == "__main__":
    sys.exit(min(asyncio.run(main()), 1))
