"""The longest that a request may take."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.timeouts import SharedTimeout

_log = structlog.get_logger()

_TIMED_OUT = b'{"detail":"The request took too long."}'
_HEADERS = (
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_TIMED_OUT)).encode()),
    (b"retry-after", b"1"),
)


class Deadline:
    """ASGI middleware: answers 503 for the application when it takes longer than ``seconds``.

    A response that has begun by then, such as a long export, is cut off where it is, and the connection
    is closed. Work that a response leaves for afterwards has bounds of its own.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._timeout = SharedTimeout(seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def send_in_time(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._timeout.lift(deadline)

        try:
            async with self._timeout.begin() as deadline:
                await self._app(scope, receive, send_in_time)
        except TimeoutError:
            if not deadline.expired():
                raise
            _log.warning("request timed out", seconds=self._timeout.seconds)
            if not has_started:
                await send({"type": "http.response.start", "status": 503, "headers": _HEADERS})
                await send({"type": "http.response.body", "body": _TIMED_OUT})
