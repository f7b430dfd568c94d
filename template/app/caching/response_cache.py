"""Whole responses of ``@cached`` routes, answered in front of routing.

A hit, or a 304, costs one look into the store. What is not kept goes on to
:class:`app.caching.single_flight.SingleFlight`. When the store is gone, requests are answered
without it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from time import time

import structlog
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.background import end
from app.caching.policy import CachedRoute, CachedRoutes
from app.caching.representation import without_body
from app.caching.request import LONGEST_KEY, directives_of, key_of, read_headers
from app.caching.single_flight import Miss
from app.caching.store import Store, StoreUnavailableError
from app.telemetry import metrics

_log = structlog.get_logger()

_NOT_KEPT = b'{"detail":"The request asks for what is kept only, and nothing is."}'


class ResponseCache:
    """ASGI middleware in front of the application whose routes it is given.

    ``identify`` names the caller of a private route by the Authorization header, or returns None, and
    then the request passes by the cache.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        store: Store,
        identify: Callable[[bytes], str | None],
    ) -> None:
        self._app = app
        self._routes = CachedRoutes(routes)
        self._store = store
        self._identify = identify
        self._results = _Results()
        self._refreshing: dict[str, asyncio.Task[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, self._closing(receive), send)
            return
        route = None
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            route = self._routes.find(scope["path"])
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route_path"] = route.path
        if scope["method"] == "HEAD":
            # The routes know GET alone.
            scope, send = {**scope, "method": "GET"}, without_body(send)
        headers = read_headers(scope, route.policy.reads)
        directives = directives_of(headers.get(b"cache-control", b""))
        key = self._key(scope, route, headers)
        if key is None or directives.no_store:
            self._results.add(route.path, "bypass")
            await self._app(scope, receive, send)
            return
        try:
            entry, versions = await self._store.load(key, route.policy.tags)
        except StoreUnavailableError:
            entry = versions = None
        now = time()
        if (
            entry is None
            or entry.stale_until <= now
            or not directives.accept(age=now - entry.stored_at, freshness=entry.fresh_until - now)
        ):
            self._results.add(route.path, "miss")
            if directives.only_if_cached:
                await _send_not_kept(send)
                return
            refused_at = 0 if entry is None else entry.stored_at
            Miss(key, route, versions, headers, refused_at).put_into(scope)
            await self._app(scope, receive, send)
            return
        if entry.fresh_until > now:
            self._results.add(route.path, "hit")
        else:
            self._results.add(route.path, "stale")
            self._refresh(Miss(key, route, versions, headers, entry.stored_at), scope)
        start, body = entry.response(headers, age=now - entry.stored_at)
        await send(start)
        await send(body)

    def _key(self, scope: Scope, route: CachedRoute, headers: dict[bytes, bytes]) -> str | None:
        policy = route.policy
        identity = self._identify(headers.get(b"authorization", b"")) if policy.private else ""
        path, query = scope["path"], scope["query_string"]
        length = len(path) + len(query)
        varying: tuple[bytes, ...] = ()
        if policy.varying:
            varying = tuple([headers.get(name, b"") for name in policy.varying])
            length += sum(map(len, varying))
        if identity is None or length > LONGEST_KEY:
            return None
        return key_of(route.path, path, query, identity, varying)

    def _refresh(self, miss: Miss, scope: Scope) -> None:
        if miss.key in self._refreshing:
            return
        task = asyncio.create_task(self._compute_in_background(miss, dict(scope)))
        self._refreshing[miss.key] = task
        task.add_done_callback(lambda _: self._refreshing.pop(miss.key, None))

    async def _compute_in_background(self, miss: Miss, scope: Scope) -> None:
        miss.put_into(scope)
        try:
            await self._app(scope, _no_body(), _discard)
        except Exception:  # noqa: BLE001  Nobody else would hear of it.
            _log.exception("a stale response could not be refreshed", route=miss.route.path)

    def _closing(self, receive: Receive) -> Receive:
        async def receive_and_close() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                # Before the application closes what the refreshes use.
                await self._end_refreshes()
            return message

        return receive_and_close

    async def _end_refreshes(self) -> None:
        await asyncio.gather(*map(end, self._refreshing.values()))


class _Results:
    """What became of requests, told to the metrics once for each turn of the event loop."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, route: str, result: str) -> None:
        if not self._counts:
            asyncio.get_running_loop().call_soon(self._tell)
        self._counts[route, result] += 1

    def _tell(self) -> None:
        for labels, count in self._counts.items():
            metrics.cache_requests.labels(*labels).inc(count)
        self._counts.clear()


async def _send_not_kept(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_NOT_KEPT)).encode())]
    await send({"type": "http.response.start", "status": 504, "headers": headers})
    await send({"type": "http.response.body", "body": _NOT_KEPT})


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
