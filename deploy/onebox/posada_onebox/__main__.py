"""Front door: the whole platform on this machine, in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posada_embedded.errors import EmbeddedError
from posada_runtime import log, telemetry
from posada_runtime.settings import CommonSettings

from posada_onebox.house import House, NotReadyError
from posada_onebox.settings import Settings


async def main() -> None:
    """Run the house."""
    common = CommonSettings()
    telemetry.configure(common, "onebox")
    log.configure(common, "onebox")
    stopping = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stopping.set)
    with only_one(common.data):
        house = House(common, Settings())
        stop = asyncio.create_task(stopping.wait())
        start = asyncio.create_task(house.start())
        try:
            await asyncio.wait({stop, start}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
                log.get_logger().info("ready", gateway=house.gateway_url, data=str(house.data))
                await stop
        except (NotReadyError, EmbeddedError) as error:
            sys.exit(str(error))
        finally:
            start.cancel()
            stop.cancel()
            await house.stop()


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data directory's lock; it goes with the process, however that ends."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "onebox.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Posada runs already on {data.resolve()}: `posada down` stops it")
        lock.write(str(os.getpid()))
        lock.flush()
        yield


if __name__ == "__main__":
    asyncio.run(main())
