"""A task beside the requests ends when it is told to, even by a library that swallows a cancellation."""

import asyncio
from contextlib import suppress

from app.background import end


async def test_a_task_is_ended() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()


async def test_a_task_that_swallows_a_cancellation_is_told_again() -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()
