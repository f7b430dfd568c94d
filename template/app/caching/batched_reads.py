"""Reads that many requests ask for at the same time, in one command."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

Value = bytes | None

# Values may be large: more keys than this go out in several commands.
_MOST_KEYS = 256


class BatchedReads:
    """Collects the keys that are asked for in one turn of the event loop into one read.

    While an answer is on its way, what is asked for waits for the next read. So a busy process sends
    few commands over one connection, and a key that many ask for travels once.
    """

    def __init__(self, read: Callable[[Sequence[str]], Awaitable[Sequence[Value]]]) -> None:
        self._read = read
        self._waiting: list[tuple[Sequence[str], asyncio.Future[list[Value]]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def get(self, keys: Sequence[str]) -> list[Value]:
        """The values of the keys. Raises what the read raises."""
        future: asyncio.Future[list[Value]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, future))
        if self._reading is None:
            # It starts in the next turn, when all of this turn have asked.
            self._reading = asyncio.create_task(self._read_all())
        return await future

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._answer(waiting)
        finally:
            self._reading = None

    async def _answer(self, waiting: list[tuple[Sequence[str], asyncio.Future[list[Value]]]]) -> None:
        keys = list(dict.fromkeys(key for asked, _ in waiting for key in asked))
        values: dict[str, Value] = {}
        try:
            for start in range(0, len(keys), _MOST_KEYS):
                part = keys[start : start + _MOST_KEYS]
                values.update(zip(part, await self._read(part), strict=True))
        except BaseException as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for asked, future in waiting:
            if not future.done():
                future.set_result([values[key] for key in asked])
