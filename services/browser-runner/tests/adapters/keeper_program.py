"""`keeper_program.py HOUSE KEEPER BINARY SESSION...`: opens a browser per session and keeps them until it is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.find import find_chromium
from posada_runtime.processes import Mark


async def main(house: str, keeper: str, binary: str, *sessions: str) -> None:
    for session in sessions:
        folder = Path(house) / keeper / session
        for name in ("profile", "tmp"):
            (folder / name).mkdir(parents=True)
        mark = Mark.for_this_process(house, keeper, session, f"{keeper}-{session}")
        chromium = await ChromiumProcess.launch(find_chromium(binary), folder / "profile", folder / "tmp", mark)
        print(json.dumps({"session": session, "pid": chromium.pid, "ws_url": chromium.ws_url}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
