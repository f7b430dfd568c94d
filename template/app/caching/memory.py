"""Cached responses in the memory of this process, bounded in bytes, least recently used out first."""

from collections import OrderedDict
from collections.abc import Sequence
from time import time

from app.caching.store import Entry, Loaded


class MemoryStore:
    """A :class:`app.caching.store.Store` of one process; other processes keep their own."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._versions: dict[str, int] = {}

    async def load(self, key: str, tags: Sequence[str]) -> Loaded:
        versions = tuple(str(self._versions.get(tag, 0)) for tag in tags)
        entry = self._entries.get(key)
        if entry is None:
            return Loaded(None, versions)
        if entry.stale_until <= time() or entry.versions != versions:
            self._forget(key)
            return Loaded(None, versions)
        self._entries.move_to_end(key)
        return Loaded(entry, versions)

    async def save(self, key: str, entry: Entry) -> None:
        self._forget(key)
        if entry.size > self._limit:
            return
        self._entries[key] = entry
        self._size += entry.size
        while self._size > self._limit:
            self._forget(next(iter(self._entries)))

    async def invalidate(self, tags: Sequence[str]) -> None:
        for tag in tags:
            self._versions[tag] = self._versions.get(tag, 0) + 1

    async def acquire(self, key: str, *, seconds: float) -> str | None:  # noqa: ARG002
        return key

    async def release(self, key: str, token: str) -> None:
        """Nothing to unlock: no other process sees these entries."""

    async def ping(self) -> None:
        """Always there."""

    async def close(self) -> None:
        self._entries.clear()
        self._size = 0

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size
