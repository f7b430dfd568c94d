"""The memory of a process that keeps responses is bounded."""

from time import time

from app.caching.bounded import BoundedEntries, TagVersions
from app.caching.encoding import IDENTITY
from app.caching.memory import MemoryStore
from app.caching.representation import represent
from app.caching.store import Entry


def _entry(size: int) -> Entry:
    return Entry({IDENTITY: represent(b"x" * size, "etag", ())}, (), time(), time() + 60, time() + 60)


async def test_the_least_recently_used_responses_leave_first() -> None:
    store = MemoryStore(limit=50_000)
    for number in range(100):
        await store.save(str(number), _entry(1000))
        await store.load("0", ())
    kept = [number for number in range(100) if (await store.load(str(number), ())).entry is not None]
    assert kept == [0, *range(101 - len(kept), 100)]
    assert 5 < len(kept) * 1000 <= 50_000


def test_what_alone_is_too_large_is_not_kept_nor_what_it_replaces() -> None:
    entries: BoundedEntries[Entry] = BoundedEntries(limit=10_000)
    entries.put("key", _entry(100))
    entries.put("key", _entry(20_000))
    assert entries.get("key") is None


def test_so_many_tags_that_they_are_forgotten_count_as_invalidated() -> None:
    tags = TagVersions()
    tags.renew(["first"])
    before = tags.of(["first", "never named"])
    for number in range(10_001):
        tags.renew([str(number)])
    assert all(old < new for old, new in zip(before, tags.of(["first", "never named"]), strict=True))
