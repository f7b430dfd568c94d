"""A short-lived copy in this process of what the shared store holds."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from time import time

import structlog

from app.background import end
from app.caching.bounded import BoundedEntries, TagVersions
from app.caching.redis import RedisStore
from app.caching.store import Entry, Loaded, StoreUnavailableError

_log = structlog.get_logger()

# Before the next attempt to hear of invalidations, in seconds.
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Copy:
    loaded: Loaded
    versions: tuple[int, ...]
    until: float
    size: int


class NearStore:
    """A :class:`app.caching.store.Store` that asks the shared one at most every ``seconds`` for a key.

    Another process's invalidation arrives by a message, a moment after the write that caused it; if
    the message is lost, a copy is served for ``seconds`` at most. While this process cannot hear of
    invalidations, every request asks the shared store. The copies take at most ``limit`` bytes.
    """

    def __init__(self, shared: RedisStore, *, seconds: float, limit: int) -> None:
        self._shared = shared
        self._seconds = seconds
        self._copies: BoundedEntries[_Copy] = BoundedEntries(limit=limit)
        self._tags = TagVersions()
        self._is_listening = False
        self._listener: asyncio.Task[None] | None = None

    async def load(self, key: str, tags: Sequence[str]) -> Loaded:
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        if not self._is_listening:
            return await self._shared.load(key, tags)
        # Before the shared store is asked: an invalidation in between wins.
        versions = self._tags.of(tags)
        copy = self._copies.get(key)
        if copy is not None and copy.until > time() and copy.versions == versions:
            return copy.loaded
        loaded = await self._shared.load(key, tags)
        if loaded.entry is not None and self._is_listening:
            until = min(time() + self._seconds, loaded.entry.fresh_until)
            self._copies.put(key, _Copy(loaded, versions, until, loaded.entry.size))
        return loaded

    async def save(self, key: str, entry: Entry) -> None:
        try:
            await self._shared.save(key, entry)
        finally:
            # Now: until then another request may have taken a copy of the one before.
            self._copies.remove(key)

    async def invalidate(self, tags: Sequence[str]) -> None:
        try:
            await self._shared.invalidate(tags)
        finally:
            # Now: until then the shared store has the entries of before, and they may be copied.
            self._tags.renew(tags)

    async def acquire(self, key: str, *, seconds: float) -> str | None:
        # Who asks for the lock has refused the copy, and looks next for what another process has kept.
        self._copies.remove(key)
        return await self._shared.acquire(key, seconds=seconds)

    async def release(self, key: str, token: str) -> None:
        await self._shared.release(key, token)

    async def ping(self) -> None:
        await self._shared.ping()

    async def close(self) -> None:
        if self._listener is not None:
            await end(self._listener)
        self._copies.clear()
        await self._shared.close()

    async def _listen(self) -> None:
        while True:
            try:
                async for tags in self._shared.invalidations():
                    self._is_listening = True
                    if tags:
                        self._tags.renew(tags)
                    else:
                        self._tags.renew_all()
                        self._copies.clear()
            except StoreUnavailableError as error:
                _log.warning("invalidations of other processes are not heard", error=str(error))
            finally:
                self._is_listening = False
                self._copies.clear()
            # Not all processes at the same moment.
            await asyncio.sleep(_RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
