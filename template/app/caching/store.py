"""What a store of cached responses offers, and what it keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog
from starlette.types import Message

from app.caching.encoding import IDENTITY, accepted_encodings
from app.caching.representation import Representation, response_of

_log = structlog.get_logger()

# Bytes that an entry takes beside its bodies: headers, times, versions and its key.
_ALLOWANCE = 4_096

Versions = tuple[str | int, ...]


class StoreUnavailableError(Exception):
    """The store did not answer in time; requests go on without it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cached response in each encoding. Times are seconds since the epoch."""

    forms: dict[str, Representation]
    versions: Versions
    """The versions that its tags had before it was computed."""
    stored_at: float
    fresh_until: float
    stale_until: float
    """Until then it may be served while a new one is computed."""

    def response(self, headers: Mapping[bytes, bytes], *, age: float) -> tuple[Message, Message]:
        """The messages that answer a request with these headers; ``age`` is in seconds."""
        form = self.forms[IDENTITY]
        for encoding in accepted_encodings(headers.get(b"accept-encoding", b"")):
            if encoding in self.forms:
                form = self.forms[encoding]
                break
        return response_of(form, if_none_match=headers.get(b"if-none-match"), age=age)

    @property
    def size(self) -> int:
        """Bytes of all bodies, plus an allowance for headers and bookkeeping."""
        return sum(len(form.body) for form in self.forms.values()) + _ALLOWANCE


class Loaded(NamedTuple):
    """An entry, if there is one, and the versions that its tags have now."""

    entry: Entry | None
    versions: Versions


class Store(Protocol):
    """Where cached responses are kept. Each method may raise :class:`StoreUnavailableError`."""

    async def load(self, key: str, tags: Sequence[str]) -> Loaded:
        """The entry under a key and its tags' versions, in one round trip."""
        ...

    async def save(self, key: str, entry: Entry) -> None:
        """Keep an entry until it is too stale to be served."""
        ...

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Give each tag a new version, so that no entry of before is served."""
        ...

    async def acquire(self, key: str, *, seconds: float) -> str | None:
        """Lock a key among all processes; a token, or None when another process holds it."""
        ...

    async def release(self, key: str, token: str) -> None:
        """Unlock a key, unless its lock has passed to another."""
        ...

    async def ping(self) -> None:
        """Ask for a sign of life."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


async def invalidate(store: Store, *tags: str) -> None:
    """Forget the responses with these tags. Call it after the commit.

    While the store cannot be reached, they live on until they expire; the write itself stands.
    """
    try:
        await store.invalidate(tags)
    except StoreUnavailableError:
        _log.warning("responses not invalidated", tags=tags)
