"""Routes found by their path, however many others the service has.

FastAPI compares a request with one route after the other, twice for each router it goes through;
behind a hundred routes that takes longer than a fast route itself.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.convertors import Convertor
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send


def route_directly(router: Router) -> None:
    """Let a router find the routes that it has by now through a table."""
    router.middleware_stack = _DirectRoutes(router)


class _Target(NamedTuple):
    regex: re.Pattern[str]
    convertors: Mapping[str, Convertor[Any]]
    methods: frozenset[str]
    app: ASGIApp
    scope: Scope


class _DirectRoutes:
    """Takes a request to the route that the router would choose.

    What no route answers goes to the router, which knows why; so does what is declared behind a
    mounted application or behind a path that begins with a parameter.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._fallback = router.middleware_stack
        self._exact: dict[str, list[_Target]] = {}
        self._by_first_segment: defaultdict[str, list[_Target]] = defaultdict(list)
        targets: list[tuple[str, _Target]] = []
        for context in iter_route_contexts(router.routes):
            path = context.path
            if path is None or not isinstance(context.original_route, Route) or "{" in _first_segment(path):
                break
            targets.append((path, _target(path, context)))
        for path, target in targets:
            if "{" in path:
                self._by_first_segment[_first_segment(path)].append(target)
            elif path not in self._exact:
                # Also those before it that match its path by a parameter.
                self._exact[path] = [other for _, other in targets if other.regex.match(path)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope.get("root_path"):
            await self._fallback(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        candidates = self._exact.get(path) or self._by_first_segment.get(_first_segment(path), ())
        for target in candidates:
            if method in target.methods and (match := target.regex.match(path)):
                found = match.groupdict()
                scope["path_params"] = {name: target.convertors[name].convert(found[name]) for name in found}
                scope["router"] = self._router
                scope.update(target.scope)
                await target.app(scope, receive, send)
                return
        await self._fallback(scope, receive, send)


def _target(path: str, context: RouteContext) -> _Target:
    scope = {"endpoint": context.endpoint, "route": context.original_route, "route_path": path}
    methods = frozenset(context.methods or ())
    return _Target(context.path_regex, context.param_convertors, methods, context.app, scope)


def _first_segment(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else path
