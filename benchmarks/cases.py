"""What is measured: servers, and what is asked of them."""

from dataclasses import dataclass

from benchmarks.servers import Server
from benchmarks.wrk import Request

CONNECTIONS = 64

_SERVICE = "app.main:app"
_CACHE_ALONE = "benchmarks.variants.cache_alone:app"
_OPPONENTS = "benchmarks.opponents"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request, asked of one server over some connections. The name is unique."""

    name: str
    server: Server
    request: Request
    connections: int = CONNECTIONS
    counts_unanswered: bool = False
    """Whether requests that nobody has answered count too, by callers of our own in place of wrk."""


RAW = Server(name="raw ASGI", application=f"{_OPPONENTS}.raw:app")
SERVICE = Server(name="service", application=_SERVICE)
MEMORY_ALONE = Server(name="service, cache in memory alone", application=_CACHE_ALONE)
# Each hit asks the store, whatever the service's default is.
_EACH = {"CACHE_NEAR_SECONDS": "0"}
_NEAR = {"CACHE_NEAR_SECONDS": "1"}
REDIS = Server(name="service on Valkey", application=_SERVICE, service="redis", environment=_EACH)
REDIS_ALONE = Server(name="cache on Valkey alone", application=_CACHE_ALONE, service="redis", environment=_EACH)
NEAR = Server(name="service on Valkey, near cache", application=_SERVICE, service="redis", environment=_NEAR)
NEAR_ALONE = Server(name="near cache alone", application=_CACHE_ALONE, service="redis", environment=_NEAR)
UNCACHED = Server(name="service without cache", application=_SERVICE, service="none")
BEST = Server(name="best practice", application=f"{_OPPONENTS}.best_practice:app")
STEPS = Server(name="steps", application=f"{_OPPONENTS}.steps:app")
TUTORIAL = Server(name="tutorial", application=f"{_OPPONENTS}.tutorial:app")
WITH_ADDITIONS = Server(
    name="service, with the benchmarks' routes", application="benchmarks.variants.with_additions:app"
)
WITHOUT_MIDDLEWARE = Server(name="routes alone", application="benchmarks.variants.without_middleware:app")
CROWDED = Server(name="service behind 100 routes", application="benchmarks.variants.crowded:app")

# The owner of a thousandth of the generated items.
USER = "user-1"

DASHBOARD_PATH = "/me/dashboard"
NOT_MODIFIED_PATH = "/not-modified"
"""Where the bare application sends what the service sent as its 304."""

LIST = Request(path="/items?limit=20")
ITEM = Request(path="/items/{n}", count=1_000)
PATCH = Request(
    path="/items/{n}",
    count=1_000,
    method="PATCH",
    headers=(("Content-Type", "application/json"),),
    body='{"price_cents": 4200}',
)
POPULAR = Request(path="/items/popular")
NOT_MODIFIED = Request(path="/items/popular", status=304, is_conditional=True)
COMPRESSED = Request(path="/items/popular", headers=(("Accept-Encoding", "gzip, deflate, br, zstd"),))
FROM_MEMORY = Request(path="/benchmark/items")
FROM_MEMORY_COMPRESSED = Request(path="/benchmark/items", headers=COMPRESSED.headers)


def cases_with(token: str) -> dict[str, Case]:
    """All cases, by name. ``token`` is a bearer token of :data:`USER`."""
    dashboard = Request(path=DASHBOARD_PATH, headers=(("Authorization", f"Bearer {token}"),))
    cases = [
        Case(name="raw", server=RAW, request=POPULAR),
        Case(name="raw 304", server=RAW, request=Request(path=NOT_MODIFIED_PATH, status=304)),
        Case(name="raw dashboard", server=RAW, request=dashboard),
        Case(name="hit", server=SERVICE, request=POPULAR),
        Case(name="hit, cache alone", server=MEMORY_ALONE, request=POPULAR),
        Case(name="304", server=SERVICE, request=NOT_MODIFIED),
        Case(name="304, cache alone", server=MEMORY_ALONE, request=NOT_MODIFIED),
        Case(name="compressed hit", server=SERVICE, request=COMPRESSED),
        Case(name="Valkey hit", server=REDIS, request=POPULAR),
        Case(name="Valkey hit, cache alone", server=REDIS_ALONE, request=POPULAR),
        Case(name="near hit", server=NEAR, request=POPULAR),
        Case(name="near hit, cache alone", server=NEAR_ALONE, request=POPULAR),
        Case(name="no cache", server=UNCACHED, request=POPULAR),
        Case(name="dashboard", server=SERVICE, request=dashboard),
        Case(name="dashboard, cache alone", server=MEMORY_ALONE, request=dashboard),
        Case(name="best list", server=BEST, request=LIST),
        Case(name="list", server=SERVICE, request=LIST),
        Case(name="tutorial, 8", server=TUTORIAL, request=LIST, connections=8),
        Case(name="list, 8", server=SERVICE, request=LIST, connections=8),
        Case(name="best item", server=BEST, request=ITEM),
        Case(name="item", server=SERVICE, request=ITEM),
        Case(name="best patch", server=BEST, request=PATCH),
        Case(name="patch", server=SERVICE, request=PATCH),
        Case(name="best list, waits", server=BEST, request=LIST, counts_unanswered=True),
        Case(name="list, waits", server=SERVICE, request=LIST, counts_unanswered=True),
        Case(name="best list, waits of 300", server=BEST, request=LIST, connections=300, counts_unanswered=True),
        Case(name="list, waits of 300", server=SERVICE, request=LIST, connections=300, counts_unanswered=True),
        Case(name="columns", server=STEPS, request=Request(path="/columns?limit=20"), counts_unanswered=True),
        Case(name="autocommit", server=STEPS, request=Request(path="/autocommit?limit=20"), counts_unanswered=True),
        Case(name="queued", server=STEPS, request=Request(path="/queued?limit=20"), counts_unanswered=True),
        Case(name="memory list", server=WITHOUT_MIDDLEWARE, request=FROM_MEMORY),
        Case(name="memory list, middleware", server=WITH_ADDITIONS, request=FROM_MEMORY),
        Case(name="memory list, middleware, compressed", server=WITH_ADDITIONS, request=FROM_MEMORY_COMPRESSED),
        Case(name="memory list, crowded", server=CROWDED, request=FROM_MEMORY),
        Case(name="list, crowded", server=CROWDED, request=LIST),
    ]
    return {case.name: case for case in cases}
