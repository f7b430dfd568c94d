"""Cached responses in the memory of this process, bounded in bytes, least recently used out first."""

from collections.abc import Sequence
from time import time

from app.caching.bounded import BoundedEntries, TagVersions
from app.caching.store import Entry, Loaded


class MemoryStore:
    """A :class:`app.caching.store.Store` of one process; other processes keep their own."""

    def __init__(self, *, limit: int) -> None:
        self._entries: BoundedEntries[Entry] = BoundedEntries(limit=limit)
        self._tags = TagVersions()

    async def load(self, key: str, tags: Sequence[str]) -> Loaded:
        versions = self._tags.of(tags)
        entry = self._entries.get(key)
        if entry is not None and (entry.stale_until <= time() or entry.versions != versions):
            self._entries.remove(key)
            entry = None
        return Loaded(entry, versions)

    async def save(self, key: str, entry: Entry) -> None:
        self._entries.put(key, entry)

    async def invalidate(self, tags: Sequence[str]) -> None:
        self._tags.renew(tags)

    async def acquire(self, key: str, *, seconds: float) -> str | None:  # noqa: ARG002
        return key

    async def release(self, key: str, token: str) -> None:
        """Nothing to unlock: no other process sees these entries."""

    async def ping(self) -> None:
        """Always there."""

    async def close(self) -> None:
        self._entries.clear()
