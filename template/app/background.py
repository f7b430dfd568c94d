"""Tasks that run beside the requests."""

import asyncio
from typing import Any

# Seconds until a task is told once more.
_AGAIN = 0.5


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended.

    More than once if need be: ``asyncio.wait_for``, which client libraries use, may take a cancellation
    for itself on Python 3.11.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN)
