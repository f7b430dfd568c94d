"""What the cache reads from a request: the conditions, the directives, and the key."""

import json
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

# Longer requests pass by the cache. In bytes.
LONGEST_KEY = 4_096

_SECONDS = re.compile(r"\d{1,9}")


class Directives(NamedTuple):
    """``Cache-Control`` of a request (RFC 9111, section 5.2.1). Times are in seconds."""

    no_store: bool = False
    only_if_cached: bool = False
    max_age: int | None = None
    """How old a response may be; 0 for one that is computed now, as ``no-cache`` asks for."""
    min_fresh: int = 0
    """For how long it has to stay fresh."""

    def accept(self, *, age: float, freshness: float) -> bool:
        """Whether a kept response of this age will do, which stays fresh for ``freshness`` seconds."""
        if self.max_age is not None and not (age < self.max_age and freshness > 0):
            return False
        return not self.min_fresh or freshness >= self.min_fresh


# Per process, and small: clients send few different headers.
@lru_cache(maxsize=256)
def directives_of(cache_control: bytes) -> Directives:
    """The directives of a request; what cannot be read is as if it were not there."""
    given: dict[str, str] = {}
    for part in cache_control.decode("latin-1").lower().split(","):
        name, _, value = part.partition("=")
        given[name.strip()] = value.strip().strip('"')
    return Directives(
        no_store="no-store" in given,
        only_if_cached="only-if-cached" in given,
        max_age=0 if "no-cache" in given else _seconds(given.get("max-age")),
        min_fresh=_seconds(given.get("min-fresh")) or 0,
    )


def read_headers(scope: Scope, names: Collection[bytes]) -> dict[bytes, bytes]:
    """These headers of a request; one that is given twice is joined."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in names:
            found[name] = found[name] + b", " + value if name in found else value
    return found


# The few URLs that most callers ask for are digested once.
@lru_cache(maxsize=1024)
def key_of(route: str, path: str, query: bytes, identity: str, varying: Sequence[bytes]) -> str:
    """The key of a response: its route, and a digest of all that its content depends on."""
    # Sorted by name alone: the order of one parameter's values may matter to the route.
    pairs = sorted(parse_qsl(query.decode("latin-1"), keep_blank_values=True), key=itemgetter(0))
    # As JSON, so that no part can pose as another.
    parts = json.dumps([path, urlencode(pairs), identity, *(value.decode("latin-1") for value in varying)])
    return f"{route}:{blake2b(parts.encode(), digest_size=16).hexdigest()}"


def _seconds(value: str | None) -> int | None:
    return int(value) if value is not None and _SECONDS.fullmatch(value) else None
