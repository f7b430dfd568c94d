"""A write's invalidation wins, whenever it comes."""

import asyncio

import httpx2

from app.caching.store import invalidate
from app.main import Service
from tests.caching.cached_routes import Source


async def test_an_invalidation_takes_effect_at_once_and_on_its_tag_alone(
    client: httpx2.AsyncClient, source: Source, service: Service
) -> None:
    await client.get("/public")
    await invalidate(service.resources.store, "others")
    await client.get("/public")
    assert source.calls == 1
    await invalidate(service.resources.store, "others", "things")
    await client.get("/public")
    assert source.calls == 2


async def test_an_invalidation_while_a_response_is_computed_wins(
    client: httpx2.AsyncClient, source: Source, service: Service
) -> None:
    source.may_finish.clear()
    request = asyncio.create_task(client.get("/public"))
    await source.started.wait()
    await invalidate(service.resources.store, "things")
    source.may_finish.set()
    await request
    await client.get("/public")
    assert source.calls == 2


async def test_who_asks_after_an_invalidation_does_not_join_who_asked_before(
    client: httpx2.AsyncClient, source: Source, service: Service
) -> None:
    source.may_finish.clear()
    before = asyncio.create_task(client.get("/public"))
    await source.started.wait()
    await invalidate(service.resources.store, "things")
    after = asyncio.create_task(client.get("/public"))
    await asyncio.sleep(0)
    source.may_finish.set()
    responses = await asyncio.gather(before, after)
    assert source.calls == 2
    assert len({response.text for response in responses}) == 2


async def test_a_stale_response_is_not_served_after_an_invalidation(
    client: httpx2.AsyncClient, source: Source, service: Service
) -> None:
    old = await client.get("/stale")
    await invalidate(service.resources.store, "things")
    assert (await client.get("/stale")).text != old.text
    assert source.calls == 2
