"""Which routes are cached, and how: the ``@cached`` decorator and the table made of it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class CachePolicy:
    """How the responses of one route may be kept. Times are in seconds."""

    expire: int
    stale_while_revalidate: int = 0
    tags: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()
    private: bool = True

    @property
    def cache_control(self) -> str:
        """The header for clients, and for CDNs when the response is public."""
        directives = ["private" if self.private else "public", f"max-age={self.expire}"]
        if self.stale_while_revalidate:
            directives.append(f"stale-while-revalidate={self.stale_while_revalidate}")
        return ", ".join(directives)

    @property
    def vary_on(self) -> str:
        """Everything that the response depends on beside its URL."""
        identity = ("Authorization",) if self.private else ()
        return ", ".join(("Accept-Encoding", *identity, *self.vary))


def cached(
    *,
    expire: int,
    stale_while_revalidate: int = 0,
    tags: Sequence[str] = (),
    vary: Sequence[str] = (),
    private: bool = True,
) -> Callable[[Endpoint], Endpoint]:
    """Let the successful responses of a GET route be kept for ``expire`` seconds.

    Put it below the route's own decorator. ``tags`` name what a write invalidates; ``vary`` names
    request headers that change the answer. A route is private (kept for each user apart, and only
    with a valid bearer token) unless it says ``private=False``: do so only when it answers everyone
    alike.
    """
    policy = CachePolicy(
        expire=expire,
        stale_while_revalidate=stale_while_revalidate,
        tags=tuple(tags),
        vary=tuple(name.lower() for name in vary),
        private=private,
    )

    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["cache_policy"] = policy
        return endpoint

    return declare


class CachedRoutes:
    """The routes that declare a policy, found by path without asking the router."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._exact: dict[str, tuple[str, CachePolicy]] = {}
        self._patterns: list[tuple[re.Pattern[str], str, CachePolicy]] = []
        shadowed: list[re.Pattern[str]] = []
        for route in iter_route_contexts(routes):
            policy = getattr(route.endpoint, "cache_policy", None)
            path = route.path
            if path is None or "GET" not in (route.methods or ()):
                continue
            if policy is None:
                shadowed.append(compile_path(path)[0])
            elif "{" in path:
                self._patterns.append((compile_path(path)[0], path, policy))
            elif not any(pattern.match(path) for pattern in shadowed):
                self._exact[path] = (path, policy)

    def find(self, path: str) -> tuple[str, CachePolicy] | None:
        """The route's template and its policy, or None when the route declares none."""
        found = self._exact.get(path)
        if found is not None:
            return found
        for pattern, template, policy in self._patterns:
            if pattern.match(path):
                return template, policy
        return None
