"""One pure ASGI middleware around everything: request id, deadline, log line and metrics.

They meet at the same two messages (request in, response out), so one class does them all.
"""

import asyncio
import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import metrics

_log = structlog.stdlib.get_logger("request")
# An id from outside ends up in logs and headers.
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_NO_STORE = (b"cache-control", b"no-store")
_TIMED_OUT = b'{"detail":"The request took too long."}'
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
    """Gives each request an id and a deadline, and says how it went."""

    def __init__(self, app: ASGIApp, *, request_timeout: float) -> None:
        self._app = app
        self._request_timeout = request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request = CurrentRequest(_request_id(scope))
        current_request.set(request)
        structlog.contextvars.bind_contextvars(request_id=request.request_id)
        try:
            await self._answer(scope, receive, send, request, started)
        finally:
            if not request.is_finished:
                _report(scope, request, perf_counter() - started)
            structlog.contextvars.clear_contextvars()

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, request: CurrentRequest, started: float
    ) -> None:
        id_header = (b"x-request-id", request.request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
                if not any(name == b"cache-control" for name, _ in message["headers"]):
                    # Nothing is kept by anyone unless its route says so.
                    message["headers"].append(_NO_STORE)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                request.is_finished = True
                # Now, because work may be left for after the response; it has bounds of its own.
                _report(scope, request, perf_counter() - started)
                if not deadline.expired():
                    deadline.reschedule(None)

        try:
            async with asyncio.timeout(self._request_timeout) as deadline:
                await self._app(scope, receive, send_with_id)
        except Exception as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                _log.warning("request timed out", seconds=self._request_timeout)
                await _send_timeout(request, send_with_id)
                return
            # The caller has been answered 500 already; this line replaces the server's own.
            _log.exception("unhandled error")
            if not request.is_finished:
                raise


def route_of(scope: Scope) -> str:
    """The route's template, such as ``/items/{item_id}``: bounded in number, unlike paths."""
    return scope.get("route_path") or getattr(scope.get("route"), "path", None) or "unmatched"


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return value.decode()
    return secrets.token_hex(8)


async def _send_timeout(request: CurrentRequest, send: Send) -> None:
    if request.status:
        return
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _TIMED_OUT})


def _report(scope: Scope, request: CurrentRequest, seconds: float) -> None:
    route = route_of(scope)
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    metrics.requests.labels(method, route, request.status or 500).inc()
    metrics.request_seconds.labels(method, route).observe(seconds)
    metrics.queries_per_request.labels(route).observe(request.queries)
    if route in _QUIET_ROUTES:
        return
    _log.info(
        "request",
        method=method,
        path=scope["path"],
        route=route,
        status=request.status or 500,
        milliseconds=round(seconds * 1000, 2),
        queries=request.queries,
    )
