"""An entry and its tags' versions, read from a server that may forget any of them."""

import secrets
from collections.abc import Awaitable, Callable, Sequence

from app.caching.batched_reads import BatchedReads, Value
from app.caching.packing import unpack
from app.caching.store import Loaded

Read = Callable[[Sequence[str]], Awaitable[Sequence[Value]]]


def new_version() -> bytes:
    """A version that no tag has had: a counter that was evicted would start again and revive old entries."""
    return secrets.token_hex(8).encode()


class TaggedReads:
    """Reads what many ask for at the same time in one command.

    A tag that the server does not have gets a new version by ``begin``, which returns the versions that
    hold then. ``tag_prefix`` is what the keys of tags begin with.
    """

    def __init__(self, *, read: Read, begin: Read, tag_prefix: str) -> None:
        self._read = read
        self._begin = begin
        self._tag_prefix = tag_prefix
        self._reads = BatchedReads(self._read_and_begin)

    async def load(self, entry_key: str, tag_keys: Sequence[str]) -> Loaded:
        """What :meth:`app.caching.store.Store.load` returns. Raises what the read raises."""
        packed, *found = await self._reads.get([entry_key, *tag_keys])
        # A version that the server has not kept is one that nobody will meet again.
        versions = tuple([(new_version() if version is None else version).decode() for version in found])
        entry = None if packed is None else unpack(packed)
        if entry is not None and entry.versions != versions:
            entry = None
        return Loaded(entry, versions)

    async def _read_and_begin(self, keys: Sequence[str]) -> Sequence[Value]:
        values = await self._read(keys)
        lost = [key for key, value in zip(keys, values, strict=True) if value is None and self._is_tag(key)]
        if not lost:
            return values
        begun = dict(zip(lost, await self._begin(lost), strict=True))
        return [begun.get(key, value) for key, value in zip(keys, values, strict=True)]

    def _is_tag(self, key: str) -> bool:
        return key.startswith(self._tag_prefix)
