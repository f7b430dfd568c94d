"""Whole responses of ``@cached`` routes, answered in front of routing.

A hit, or a 304, costs one look into the store. A miss is computed once, however many ask for it:
within the process the others wait for the first, among processes a lock decides who computes. The
tags' versions are read before the response is computed, so an invalidation in between wins. When
the store is gone, requests are answered without it.
"""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from time import time
from urllib.parse import parse_qsl, urlencode

import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.caching.encoding import IDENTITY, accepted_encodings, encodings_of
from app.caching.policy import CachedRoutes, CachePolicy
from app.caching.representation import Capture, Representation, send_representation
from app.caching.store import Entry, Store, StoreUnavailableError, Versions
from app.telemetry import metrics

_log = structlog.stdlib.get_logger("cache")

# Entries that were computed together must not expire together.
_JITTER = 0.1
# How often a process looks whether another one has finished the response that both miss, in seconds.
_POLL_SECONDS = 0.025
# Compressing more than this would hold up the event loop.
_COMPRESS_IN_THREAD = 128 * 1024
_HASHED_QUERY = 2_000


@dataclass(frozen=True, slots=True)
class _Lookup:
    key: str
    route: str
    policy: CachePolicy


class _Abandoned(Exception):  # noqa: N818
    """The one who computed a response was cancelled; someone else has to."""


class ResponseCache:
    """ASGI middleware in front of the application whose routes it is given.

    ``identify`` names the caller of a private route from the request, or returns None, and then the
    request passes by the cache. ``compute_timeout`` bounds, in seconds, how long a process waits for
    another one's response.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        store: Store,
        identify: Callable[[Scope], str | None],
        body_limit: int,
        compute_timeout: float,
    ) -> None:
        self._app = app
        self._routes = CachedRoutes(routes)
        self._store = store
        self._identify = identify
        self._body_limit = body_limit
        self._compute_timeout = compute_timeout
        # By the tags' versions too: who comes after an invalidation must not join who began before it.
        self._in_flight: dict[tuple[str, Versions | None], asyncio.Future[Entry | None]] = {}
        self._refreshing: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, self._closing(receive), send)
            return
        lookup = self._lookup(scope)
        if lookup is None:
            await self._app(scope, receive, send)
            return
        scope["route_path"] = lookup.route
        directives = _header(scope, b"cache-control")
        if "no-store" in directives:
            _count(lookup, "bypass")
            await self._app(scope, receive, send)
            return
        entry, versions = await self._load(lookup)
        if entry is None or "no-cache" in directives:
            _count(lookup, "miss")
            await self._miss(lookup, versions, scope, receive, send)
            return
        if entry.fresh_until > time():
            _count(lookup, "hit")
        else:
            _count(lookup, "stale")
            self._refresh(lookup, versions, scope)
        await _send_entry(entry, scope, send)

    def _closing(self, receive: Receive) -> Receive:
        async def receive_and_close() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                # Before the application closes what the refreshes use.
                await self._end_refreshes()
            return message

        return receive_and_close

    async def _end_refreshes(self) -> None:
        tasks = list(self._refreshing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _lookup(self, scope: Scope) -> _Lookup | None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        found = self._routes.find(scope["path"])
        if found is None or len(scope["query_string"]) > _HASHED_QUERY:
            return None
        route, policy = found
        identity = ""
        if policy.private:
            caller = self._identify(scope)
            if caller is None:
                return None
            identity = caller
        return _Lookup(f"{route}:{_digest(scope, policy, identity)}", route, policy)

    async def _load(self, lookup: _Lookup) -> tuple[Entry | None, Versions | None]:
        try:
            return await self._store.load(lookup.key, lookup.policy.tags)
        except StoreUnavailableError:
            return None, None

    async def _miss(
        self, lookup: _Lookup, versions: Versions | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        while (leader := self._in_flight.get((lookup.key, versions))) is not None:
            try:
                entry = await asyncio.shield(leader)
            except _Abandoned:
                continue
            if entry is None:
                await self._app(scope, receive, send)
            else:
                await _send_entry(entry, scope, send)
            return
        entry = await self._lead(lookup, versions, scope, receive, send)
        if entry is not None:
            await _send_entry(entry, scope, send)

    async def _lead(
        self, lookup: _Lookup, versions: Versions | None, scope: Scope, receive: Receive, send: Send
    ) -> Entry | None:
        """Compute the entry in this task while others wait; None when ``send`` has been answered."""
        future: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()
        self._in_flight[lookup.key, versions] = future
        try:
            entry = await self._compute_once(lookup, versions, scope, receive, send)
        except asyncio.CancelledError:
            future.set_exception(_Abandoned())
            future.exception()  # Nobody may be waiting, and that is fine.
            raise
        except BaseException:
            # Those who wait try for themselves: the failure may be this request's own.
            future.set_result(None)
            raise
        else:
            future.set_result(entry)
            return entry
        finally:
            del self._in_flight[lookup.key, versions]

    async def _compute_once(
        self, lookup: _Lookup, versions: Versions | None, scope: Scope, receive: Receive, send: Send
    ) -> Entry | None:
        if versions is None:
            return await self._compute(lookup, (), scope, receive, send)
        token = await self._lock(lookup)
        if token is None:
            entry = await self._wait_for_another_process(lookup)
            if entry is not None:
                return entry
            return await self._compute(lookup, versions, scope, receive, send)
        try:
            entry = await self._compute(lookup, versions, scope, receive, send)
            if entry is not None:
                await self._save(lookup, entry)
            return entry
        finally:
            await asyncio.shield(self._unlock(lookup, token))

    async def _compute(
        self, lookup: _Lookup, versions: Versions, scope: Scope, receive: Receive, send: Send
    ) -> Entry | None:
        capture = Capture(send, body_limit=self._body_limit)
        await self._app(_unconditional(scope), receive, capture)
        representation = capture.representation(lookup.policy)
        if representation is None:
            return None
        forms = await _forms_of(representation)
        now = time()
        fresh_until = now + lookup.policy.expire * random.uniform(1 - _JITTER, 1)  # noqa: S311
        return Entry(forms, versions, now, fresh_until, fresh_until + lookup.policy.stale_while_revalidate)

    def _refresh(self, lookup: _Lookup, versions: Versions | None, scope: Scope) -> None:
        if lookup.key in self._refreshing:
            return
        task = asyncio.create_task(self._compute_in_background(lookup, versions, scope))
        self._refreshing[lookup.key] = task
        task.add_done_callback(lambda _: self._refreshing.pop(lookup.key, None))

    async def _compute_in_background(self, lookup: _Lookup, versions: Versions | None, scope: Scope) -> None:
        if (lookup.key, versions) in self._in_flight:
            return
        try:
            async with asyncio.timeout(self._compute_timeout):
                await self._lead(lookup, versions, {**scope, "method": "GET"}, _no_body(), _discard)
        except Exception:  # noqa: BLE001  Nobody else would hear of it.
            _log.exception("a stale response could not be refreshed", route=lookup.route)

    async def _wait_for_another_process(self, lookup: _Lookup) -> Entry | None:
        try:
            async with asyncio.timeout(self._compute_timeout):
                while True:
                    await asyncio.sleep(_POLL_SECONDS)
                    entry, versions = await self._load(lookup)
                    if entry is not None or versions is None:
                        return entry
                    token = await self._lock(lookup)
                    if token is not None:
                        # The other process has ended without a response that can be kept.
                        await self._unlock(lookup, token)
                        return None
        except TimeoutError:
            return None

    async def _lock(self, lookup: _Lookup) -> str | None:
        try:
            return await self._store.acquire(lookup.key, seconds=self._compute_timeout)
        except StoreUnavailableError:
            return None

    async def _unlock(self, lookup: _Lookup, token: str) -> None:
        try:
            await self._store.release(lookup.key, token)
        except StoreUnavailableError:
            _log.info("a lock is left to expire", route=lookup.route)

    async def _save(self, lookup: _Lookup, entry: Entry) -> None:
        try:
            await self._store.save(lookup.key, entry)
        except StoreUnavailableError:
            _log.info("a response was not kept", route=lookup.route)


async def _forms_of(representation: Representation) -> dict[str, Representation]:
    content_type = next((value for name, value in representation.headers if name == b"content-type"), b"").decode()
    body = representation.body
    if len(body) > _COMPRESS_IN_THREAD:
        bodies = await asyncio.to_thread(encodings_of, body, content_type)
    else:
        bodies = encodings_of(body, content_type)
    forms = {IDENTITY: representation}
    for encoding, encoded in bodies.items():
        if encoding != IDENTITY:
            headers = (*representation.headers, (b"content-encoding", encoding.encode()))
            forms[encoding] = Representation(encoded, representation.etag, headers)
    return forms


async def _send_entry(entry: Entry, scope: Scope, send: Send) -> None:
    accepted = accepted_encodings(_header(scope, b"accept-encoding"))
    form = next(entry.forms[encoding] for encoding in accepted if encoding in entry.forms)
    age = max(0, int(time() - entry.stored_at))
    await send_representation(form, scope, send, extra_headers=[(b"age", str(age).encode())])


def _unconditional(scope: Scope) -> Scope:
    """The same request for the whole, unencoded body, so that what is kept serves everyone."""
    dropped = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    return {**scope, "method": "GET", "headers": headers}


def _digest(scope: Scope, policy: CachePolicy, identity: str) -> str:
    # By name alone: the order of one parameter's values may matter to the route.
    pairs = sorted(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True), key=itemgetter(0))
    query = urlencode(pairs)
    varying = [_header(scope, name.encode()) for name in policy.vary]
    # As JSON, so that no part can pose as another.
    parts = json.dumps([scope["path"], query, identity, *varying])
    return blake2b(parts.encode(), digest_size=16).hexdigest()


def _header(scope: Scope, name: bytes) -> str:
    return ", ".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def _count(lookup: _Lookup, result: str) -> None:
    metrics.cache_requests.labels(lookup.route, result).inc()


def _no_body() -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not messages:
            # Nobody disconnects; whoever listens for it is cancelled.
            await asyncio.Event().wait()
        return messages.pop()

    return receive


async def _discard(message: Message) -> None:
    """Nobody waits for the answer of a refresh."""
