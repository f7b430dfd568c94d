"""One pure ASGI middleware around everything: request id, log line and metrics.

They meet at the same two messages (request in, response out), so one class does them all.
"""

import random
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import metrics

_log = structlog.get_logger()
# An id from outside ends up in logs and headers.
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_NO_STORE = (b"cache-control", b"no-store")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# Health checks and scrapes come every few seconds; they are counted, not logged.
_QUIET_ROUTES = {"/health/live", "/health/ready", "/health", "/metrics"}


@dataclass(slots=True)
class CurrentRequest:
    """What is known of the request that is being answered."""

    request_id: str
    queries: int = 0
    """Statements sent to the database so far."""
    status: int = 0
    """0 until the response has started."""
    is_finished: bool = False
    """Whether the last byte was handed to the server."""


current_request: ContextVar[CurrentRequest | None] = ContextVar("current_request", default=None)


class Telemetry:
    """Gives each request an id, and says how it went."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request = CurrentRequest(_request_id(scope))
        token = current_request.set(request)
        id_header = (b"x-request-id", request.request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                headers = [*message.get("headers", ()), id_header]
                if not any(name == b"cache-control" for name, _ in headers):
                    # Nothing is kept by anyone unless its route says so.
                    headers.append(_NO_STORE)
                message["headers"] = headers
                await send(message)
                return
            await send(message)
            if not message.get("more_body", False):
                request.is_finished = True
                # Now, because work may be left for after the response.
                _report(scope, request, perf_counter() - started)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            # The caller has been answered 500 already; this line replaces the server's own.
            _log.exception("unhandled error")
            if not request.is_finished:
                raise
        finally:
            if not request.is_finished:
                _report(scope, request, perf_counter() - started)
            current_request.reset(token)


def route_of(scope: Scope) -> str:
    """The route's template, such as ``/items/{item_id}``: bounded in number, unlike paths."""
    return scope.get("route_path") or getattr(scope.get("route"), "path", None) or "unmatched"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return value.decode()
    # Nothing depends on its being hard to guess.
    return f"{random.getrandbits(64):016x}"


def _report(scope: Scope, request: CurrentRequest, seconds: float) -> None:
    route = route_of(scope)
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    status = request.status or 500
    series = _series(method, route, status)
    series.count()
    series.observe_seconds(seconds)
    series.observe_queries(request.queries)
    if route in _QUIET_ROUTES:
        return
    _log.info(
        "request",
        method=method,
        path=scope["path"],
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 2),
        queries=request.queries,
    )


class _Series(NamedTuple):
    count: Callable[[], None]
    observe_seconds: Callable[[float], None]
    observe_queries: Callable[[float], None]


# To find the three series by their labels takes longer than to add to them.
@lru_cache(maxsize=1024)
def _series(method: str, route: str, status: int) -> _Series:
    return _Series(
        metrics.requests.labels(method, route, status).inc,
        metrics.request_seconds.labels(method, route).observe,
        metrics.queries_per_request.labels(route).observe,
    )
