"""``Cache-Control``, ``ETag`` and 304 for the routes that declare ``@cached``.

The response is computed each time; what is saved is the transfer, and the request itself while the
client's or the CDN's copy is fresh.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.caching.policy import CachedRoutes
from app.caching.representation import Capture, response_of, without_body

# Larger bodies are passed on as they come, without an ETag.
_BODY_LIMIT = 1024 * 1024


class HttpCache:
    """ASGI middleware in front of the application whose routes it is given."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = CachedRoutes(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
        capture = Capture(send, route.policy, body_limit=_BODY_LIMIT)
        await self._app(scope, receive, capture)
        representation = capture.representation()
        if representation is not None:
            conditions = Headers(scope=scope).getlist("if-none-match")
            if_none_match = ", ".join(conditions).encode("latin-1") if conditions else None
            for message in response_of(representation, if_none_match=if_none_match):
                await send(message)
