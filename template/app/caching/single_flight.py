"""A response that is not kept is computed once, however many ask for it at the same time.

Within the process the others wait for the first; among processes a lock decides who computes. The
tags' versions were read before, so an invalidation in between wins.
"""

import asyncio
import random
from time import time
from typing import NamedTuple

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from app.caching.encoding import encoded_forms
from app.caching.policy import CachedRoute
from app.caching.representation import Capture
from app.caching.store import Entry, Store, StoreUnavailableError, Versions

_log = structlog.get_logger()

_SCOPE_KEY = "cache_miss"
# Entries that were computed together must not expire together.
_JITTER = 0.1
# How often a process looks whether another one has finished the response that both miss, in seconds.
_POLL_SECONDS = 0.025


class Miss(NamedTuple):
    """A request for a cached route, for which nothing is kept that will do."""

    key: str
    route: CachedRoute
    versions: Versions | None
    """The versions of the route's tags; None when the store cannot be reached."""
    headers: dict[bytes, bytes]
    """What the request says about encodings and conditions."""
    refused_at: float = 0
    """When the response was stored that is there and will not do; 0 when none is there."""

    def put_into(self, scope: Scope) -> None:
        """Let :class:`SingleFlight` answer this request."""
        scope[_SCOPE_KEY] = self


class _Abandoned(Exception):  # noqa: N818
    """The one who computed a response was cancelled; someone else has to."""


class SingleFlight:
    """ASGI middleware around the application: computes what the cache in front of it misses, and keeps it.

    A response of more than ``body_limit`` bytes is passed on and not kept. ``lock_timeout`` is how
    long, in seconds, one process may compute before another one does the same.
    """

    def __init__(self, app: ASGIApp, *, store: Store, body_limit: int, lock_timeout: float) -> None:
        self._app = app
        self._store = store
        self._body_limit = body_limit
        self._lock_timeout = lock_timeout
        # By the tags' versions too: who comes after an invalidation must not join who began before it.
        self._in_flight: dict[tuple[str, Versions | None], asyncio.Future[Entry | None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        miss: Miss | None = scope.get(_SCOPE_KEY)
        if miss is None:
            await self._app(scope, receive, send)
            return
        entry = await self._entry(miss, scope, receive, send)
        if entry is not None:
            for message in entry.response(miss.headers, age=time() - entry.stored_at):
                await send(message)

    async def _entry(self, miss: Miss, scope: Scope, receive: Receive, send: Send) -> Entry | None:
        """The response as it is now; None when the application has answered through ``send`` itself."""
        while (leader := self._in_flight.get((miss.key, miss.versions))) is not None:
            try:
                entry = await asyncio.shield(leader)
            except _Abandoned:
                continue
            if entry is None:
                await self._app(scope, receive, send)
            return entry
        return await self._lead(miss, scope, receive, send)

    async def _lead(self, miss: Miss, scope: Scope, receive: Receive, send: Send) -> Entry | None:
        # In this task and not in one of its own: FastAPI leaves a dependency in the task that entered it.
        future: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()
        self._in_flight[miss.key, miss.versions] = future
        try:
            entry = await self._compute_once(miss, scope, receive, send)
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
            del self._in_flight[miss.key, miss.versions]

    async def _compute_once(self, miss: Miss, scope: Scope, receive: Receive, send: Send) -> Entry | None:
        if miss.versions is None:
            return await self._compute(miss, scope, receive, send)
        token = entry = None
        try:
            token = await self._store.acquire(miss.key, seconds=self._lock_timeout)
            if token is None:
                entry = await self._wait_for_another_process(miss)
            else:
                # Another process may have kept it, and let go of the lock, since this one missed it.
                entry = await self._kept_by_another_process(miss)
        except StoreUnavailableError:
            _log.info("a response is computed without a lock", route=miss.route.path)
        try:
            if entry is None:
                entry = await self._compute(miss, scope, receive, send)
                if entry is not None:
                    await self._save(miss, entry)
            return entry
        finally:
            if token is not None:
                await asyncio.shield(self._unlock(miss, token))

    async def _compute(self, miss: Miss, scope: Scope, receive: Receive, send: Send) -> Entry | None:
        policy = miss.route.policy
        capture = Capture(send, policy, body_limit=self._body_limit)
        await self._app(_unconditional(scope), receive, capture)
        representation = capture.representation()
        if representation is None:
            return None
        forms = await encoded_forms(representation)
        now = time()
        fresh_until = now + policy.expire * random.uniform(1 - _JITTER, 1)  # noqa: S311
        return Entry(forms, miss.versions or (), now, fresh_until, fresh_until + policy.stale_while_revalidate)

    async def _wait_for_another_process(self, miss: Miss) -> Entry | None:
        try:
            async with asyncio.timeout(self._lock_timeout):
                while True:
                    await asyncio.sleep(_POLL_SECONDS)
                    entry = await self._kept_by_another_process(miss)
                    if entry is not None:
                        return entry
                    token = await self._store.acquire(miss.key, seconds=self._lock_timeout)
                    if token is not None:
                        # The other process has ended without a response that can be kept.
                        await self._unlock(miss, token)
                        return None
        except TimeoutError:
            return None

    async def _kept_by_another_process(self, miss: Miss) -> Entry | None:
        entry, _ = await self._store.load(miss.key, miss.route.policy.tags)
        return entry if entry is not None and entry.stored_at > miss.refused_at else None

    async def _save(self, miss: Miss, entry: Entry) -> None:
        try:
            await self._store.save(miss.key, entry)
        except StoreUnavailableError:
            _log.info("a response was not kept", route=miss.route.path)

    async def _unlock(self, miss: Miss, token: str) -> None:
        try:
            await self._store.release(miss.key, token)
        except StoreUnavailableError:
            _log.info("a lock is left to expire", route=miss.route.path)


def _unconditional(scope: Scope) -> Scope:
    """The same request for the whole, unencoded body, so that what is kept serves everyone."""
    dropped = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    return {**scope, "headers": headers}
