"""What a request may ask of the cache: RFC 9111, section 5.2.1."""

import httpx2
import pytest

from app.caching.request import Directives, directives_of
from tests.caching.cached_routes import Source
from tests.caching.conftest import Clock


async def _get(client: httpx2.AsyncClient, cache_control: str, path: str = "/public") -> httpx2.Response:
    return await client.get(path, headers={"Cache-Control": cache_control})


@pytest.mark.parametrize("directive", ["no-cache", "max-age=0", "NO-CACHE", 'max-age="0"', "no-transform ,  no-cache"])
async def test_a_caller_may_want_what_is_computed_now_and_it_replaces_what_is_kept(
    client: httpx2.AsyncClient, source: Source, directive: str
) -> None:
    await client.get("/public")
    fresh = await _get(client, directive)
    assert source.calls == 2
    assert (await client.get("/public")).json() == fresh.json()
    assert source.calls == 2


async def test_no_store_neither_reads_nor_keeps(client: httpx2.AsyncClient, source: Source) -> None:
    await _get(client, "no-store")
    kept = await client.get("/public")
    assert source.calls == 2
    assert (await _get(client, "no-store")).json() != kept.json()
    assert (await client.get("/public")).json() == kept.json()
    assert source.calls == 3


async def test_max_age_bounds_how_old_a_response_may_be(
    client: httpx2.AsyncClient, source: Source, clock: Clock
) -> None:
    await client.get("/public")
    clock.advance(20)
    await _get(client, "max-age=30")
    assert source.calls == 1
    await _get(client, "max-age=10")
    assert source.calls == 2


async def test_min_fresh_bounds_how_soon_a_response_may_expire(
    client: httpx2.AsyncClient, source: Source, clock: Clock
) -> None:
    await client.get("/public")
    clock.advance(20)
    await _get(client, "min-fresh=30")
    assert source.calls == 1
    await _get(client, "min-fresh=45")
    assert source.calls == 2


@pytest.mark.parametrize("directive", ["max-age=1000", "min-fresh=1"])
async def test_who_bounds_the_age_does_not_want_what_is_stale(
    client: httpx2.AsyncClient, source: Source, clock: Clock, directive: str
) -> None:
    await client.get("/stale")
    clock.advance(61)
    assert (await _get(client, directive, "/stale")).headers["Age"] == "0"
    assert source.calls == 2


async def test_only_what_is_kept_is_a_hit_or_504(client: httpx2.AsyncClient, source: Source) -> None:
    refused = await _get(client, "only-if-cached")
    assert refused.status_code == 504
    assert refused.json()["detail"]
    assert source.calls == 0
    kept = await client.get("/public")
    assert (await _get(client, "only-if-cached")).json() == kept.json()
    assert (await _get(client, "only-if-cached, max-age=0")).status_code == 504
    assert source.calls == 1


async def test_directives_in_two_headers_are_read_as_one(client: httpx2.AsyncClient, source: Source) -> None:
    await client.get("/public")
    await client.get("/public", headers=[("Cache-Control", "max-age=60"), ("Cache-Control", "no-cache")])
    assert source.calls == 2


UNREADABLE = b"|,,,|=|max-age|max-age=|max-age=-1|max-age=soon|max-age=1e3|max-age=9999999999|no-storey|x-no-cache|\xff"


@pytest.mark.parametrize("header", UNREADABLE.split(b"|"))
def test_what_cannot_be_read_is_as_if_it_were_not_there(header: bytes) -> None:
    assert directives_of(header) == Directives()
