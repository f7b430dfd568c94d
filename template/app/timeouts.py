"""Timeouts of one length for many requests at a time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic


class SharedTimeout:
    """``asyncio.timeout`` with one timer for all who run: on uvloop, one for each costs a short read dearly.

    They run out in the order in which they began, so the oldest is the only one to wait for.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[asyncio.Timeout]:
        """Raises ``TimeoutError`` when the block takes longer."""
        timeout = asyncio.Timeout(None)
        self._ends[timeout] = monotonic() + self.seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.seconds, self._end_overdue)
        try:
            async with timeout:
                yield timeout
        finally:
            self.lift(timeout)

    def lift(self, timeout: asyncio.Timeout) -> None:
        """Let the rest of a block take as long as it wants."""
        self._ends.pop(timeout, None)

    def _end_overdue(self) -> None:
        loop, now = asyncio.get_running_loop(), monotonic()
        self._timer = None
        while self._ends:
            timeout, end = next(iter(self._ends.items()))
            if end > now:
                self._timer = loop.call_later(end - now, self._end_overdue)
                return
            self.lift(timeout)
            timeout.reschedule(loop.time())
