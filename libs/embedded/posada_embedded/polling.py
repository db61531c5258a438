"""Waiting for what the operating system does not announce."""

import asyncio
from collections.abc import Callable

INTERVAL = 0.02


async def true_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether the condition came true in time; it is asked again every 20 ms."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(INTERVAL)
    return True
