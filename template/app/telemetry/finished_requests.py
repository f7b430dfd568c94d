"""Counts and logs the requests that were answered, a turn of the event loop at a time.

When many are answered in one turn, this costs less than for each alone, and none of them waits for the
line of another.
"""

import asyncio
from collections import defaultdict

from starlette.types import Scope

from app.config import Settings
from app.telemetry import metrics
from app.telemetry.current_request import CurrentRequest
from app.telemetry.logging import RequestLine, RequestLog

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# Health checks and scrapes come every few seconds; they are counted, not logged.
_QUIET_ROUTES = {"/health/live", "/health/ready", "/health", "/metrics"}


class FinishedRequests:
    """What this turn has answered so far."""

    def __init__(self, settings: Settings) -> None:
        self._log = RequestLog(settings)
        self._waiting: list[tuple[Scope, CurrentRequest, float]] = []

    def add(self, scope: Scope, request: CurrentRequest, seconds: float) -> None:
        """Count and log a request that has taken so long, at the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._report)
        self._waiting.append((scope, request, seconds))

    def _report(self) -> None:
        finished, self._waiting = self._waiting, []
        lines: list[RequestLine] = []
        durations: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for scope, request, seconds in finished:
            route = _route_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            status = request.status or 500
            durations[method, route, status].append(seconds)
            if request.queries:
                metrics.queries_per_request.labels(route).observe(request.queries)
            if route not in _QUIET_ROUTES:
                lines.append(
                    RequestLine(
                        request.request_id, method, scope["path"], route, status, seconds * 1000, request.queries
                    )
                )
        for (method, route, status), taken in durations.items():
            metrics.requests.labels(method, route, status).inc(len(taken))
            observe = metrics.request_seconds.labels(method, route).observe
            for seconds in taken:
                observe(seconds)
        self._log.write(lines)


def _route_of(scope: Scope) -> str:
    """The route's template, such as ``/items/{item_id}``: bounded in number, unlike paths."""
    return scope.get("route_path") or getattr(scope.get("route"), "path", None) or "unmatched"
