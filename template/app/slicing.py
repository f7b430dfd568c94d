"""Large bodies, passed on a slice at a time."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# In bytes. A slice is compressed and written in a fraction of a millisecond.
SLICE = 64 * 1024


class Slicing:
    """ASGI middleware: cuts large messages of a body, and lets other requests go on between the slices.

    What stands outside of it compresses and sends a body message in one go, and 5 MB take it some
    10 ms, in which nobody else is answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_slices(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) > SLICE:
                last = (len(body) - 1) // SLICE * SLICE
                for start in range(0, last, SLICE):
                    part = body[start : start + SLICE]
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                    await asyncio.sleep(0)
                message = {**message, "body": body[last:]}
            await send(message)

        await self._app(scope, receive, send_in_slices)
