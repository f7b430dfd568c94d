"""What a process keeps of the cache in its own memory, bounded."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

# More different tags than this, and all of them count as invalidated.
_MOST_TAGS = 10_000


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


Kept = TypeVar("Kept", bound=_Sized)


class BoundedEntries(Generic[Kept]):
    """Entries by key, of ``limit`` bytes together; the least recently used leave first."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._entries: OrderedDict[str, Kept] = OrderedDict()

    def get(self, key: str) -> Kept | None:
        """The entry of a key, if it is still there."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Kept) -> None:
        """Keep an entry, unless it alone is over the limit."""
        self.remove(key)
        if entry.size > self._limit:
            return
        self._entries[key] = entry
        self._size += entry.size
        while self._size > self._limit:
            self.remove(next(iter(self._entries)))

    def remove(self, key: str) -> None:
        """Forget the entry of a key."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size

    def clear(self) -> None:
        """Forget them all."""
        self._entries.clear()
        self._size = 0


class TagVersions:
    """How often each tag was invalidated, as far as this process has heard."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._latest = 0
        self._version_of_others = 0

    def of(self, tags: Sequence[str]) -> tuple[int, ...]:
        """The version of each tag."""
        return tuple([self._versions.get(tag, self._version_of_others) for tag in tags])

    def renew(self, tags: Sequence[str]) -> None:
        """Give each tag a version that none had before."""
        self._latest += 1
        self._versions.update(dict.fromkeys(tags, self._latest))
        if len(self._versions) > _MOST_TAGS:
            self.renew_all()

    def renew_all(self) -> None:
        """Give every tag a version that none had before."""
        self._latest += 1
        self._versions.clear()
        self._version_of_others = self._latest
