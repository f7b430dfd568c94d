"""One pure ASGI middleware around everything: request id, log line and metrics.

They meet at the same two messages (request in, response out), so one class does them all.
"""

import random
import re
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.telemetry.current_request import CurrentRequest, current_request
from app.telemetry.finished_requests import FinishedRequests

_log = structlog.get_logger()
# An id from outside ends up in logs and headers.
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_NO_STORE = (b"cache-control", b"no-store")


class Telemetry:
    """Gives each request an id, and says how it went."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._finished = FinishedRequests(settings)

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
                message["headers"] = _completed(message.get("headers", ()), id_header)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                request.is_finished = True
                # Now, because work may be left for after the response.
                self._finished.add(scope, request, perf_counter() - started)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            # The caller has been answered 500 already; this line replaces the server's own.
            _log.exception("unhandled error")
            if not request.is_finished:
                raise
        finally:
            if not request.is_finished:
                self._finished.add(scope, request, perf_counter() - started)
            current_request.reset(token)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return value.decode()
    # Nothing depends on its being hard to guess.
    return f"{random.getrandbits(64):016x}"


def _completed(headers: list[tuple[bytes, bytes]], id_header: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    for name, _ in headers:
        if name == b"cache-control":
            return [*headers, id_header]
    # Nothing is kept by anyone unless its route says so.
    return [*headers, id_header, _NO_STORE]
