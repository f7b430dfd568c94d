"""Timeouts that share a timer end what takes too long, and nothing else."""

import asyncio

import pytest

from app import timeouts
from app.timeouts import SharedTimeout


async def _run(bound: SharedTimeout, event: asyncio.Event) -> str:
    async with bound.begin():
        await event.wait()
    return "in time"


async def test_what_takes_too_long_is_ended_and_what_began_later_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(timeouts, "monotonic", lambda: now)
    timeout, never, soon = SharedTimeout(0.1), asyncio.Event(), asyncio.Event()
    slow = [asyncio.create_task(_run(timeout, never)) for _ in range(3)]
    await asyncio.sleep(0)
    now = 0.06
    quick = asyncio.create_task(_run(timeout, soon))
    await asyncio.sleep(0)
    now = 0.11
    await asyncio.wait(slow)
    for task in slow:
        assert isinstance(task.exception(), TimeoutError)
    soon.set()
    assert await quick == "in time"


async def test_the_next_ones_are_bounded_again_after_a_pause() -> None:
    timeout, never, done = SharedTimeout(0.05), asyncio.Event(), asyncio.Event()
    done.set()
    assert await _run(timeout, done) == "in time"
    await asyncio.sleep(0.1)
    with pytest.raises(TimeoutError):
        await _run(timeout, never)


async def test_a_timeout_that_was_lifted_ends_nothing() -> None:
    timeout = SharedTimeout(0.05)
    async with timeout.begin() as running:
        timeout.lift(running)
        await asyncio.sleep(0.1)


async def test_a_cancellation_from_outside_stays_one() -> None:
    task = asyncio.create_task(_run(SharedTimeout(60), asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nobody_is_remembered_after_the_end() -> None:
    timeout, done = SharedTimeout(60), asyncio.Event()
    done.set()
    await asyncio.gather(*(_run(timeout, done) for _ in range(100)))
    assert not timeout._ends  # noqa: SLF001
