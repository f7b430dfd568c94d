"""The most requests that a process works on at once."""

from starlette.types import ASGIApp, Receive, Scope, Send

# Whoever asks this would replace the process, and its callers would come to the others.
ALWAYS_ANSWERED = "/health/live"
_BUSY = b'{"detail":"The service is busy. Try again in a moment."}'
_HEADERS = (
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_BUSY)).encode()),
    (b"retry-after", b"1"),
)


class ConcurrencyLimit:
    """ASGI middleware: answers 503 at once to what comes while ``limit`` requests are being answered.

    A full process is still alive, and says so.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._free = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == ALWAYS_ANSWERED:
            await self._app(scope, receive, send)
        elif self._free:
            self._free -= 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._free += 1
        else:
            await send({"type": "http.response.start", "status": 503, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": _BUSY})
