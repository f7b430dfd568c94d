"""A response that is not kept is computed once, whatever happens to those who ask."""

import asyncio

import httpx2
import pytest
from fastapi import HTTPException

from app.main import Service
from tests.caching.cached_routes import Source, cache_in_front_of
from tests.caching.conftest import Clock
from tests.conftest import client_of, wait_until


async def test_many_requests_for_a_cold_key_compute_it_once(client: httpx2.AsyncClient, source: Source) -> None:
    source.may_finish.clear()
    requests = [asyncio.create_task(client.get("/public")) for _ in range(300)]
    await source.started.wait()
    source.may_finish.set()
    responses = await asyncio.gather(*requests)
    assert {response.status_code for response in responses} == {200}
    assert source.calls == 1


async def test_what_another_process_has_kept_before_the_lock_was_free_is_taken(
    client: httpx2.AsyncClient, source: Source, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = service.resources.store
    acquire, asks, may_lock = store.acquire, asyncio.Event(), asyncio.Event()

    async def slow_acquire(key: str, *, seconds: float) -> str | None:
        if not asks.is_set():
            asks.set()
            await may_lock.wait()
        return await acquire(key, seconds=seconds)

    monkeypatch.setattr(store, "acquire", slow_acquire)
    late = asyncio.create_task(client.get("/public"))
    await asks.wait()
    async with client_of(cache_in_front_of(service, store)) as another_process:
        kept = await another_process.get("/public")
    may_lock.set()
    assert (await late).json() == kept.json()
    assert source.calls == 1


async def test_when_the_first_of_many_is_cancelled_another_computes(client: httpx2.AsyncClient, source: Source) -> None:
    source.may_finish.clear()
    first = asyncio.create_task(client.get("/public"))
    await source.started.wait()
    others = [asyncio.create_task(client.get("/public")) for _ in range(10)]
    first.cancel()
    await wait_until(lambda: source.calls == 2)
    source.may_finish.set()
    responses = await asyncio.gather(*others)
    assert {response.status_code for response in responses} == {200}
    assert source.calls == 2


async def test_when_one_of_those_who_wait_is_cancelled_the_others_are_answered(
    client: httpx2.AsyncClient, source: Source
) -> None:
    source.may_finish.clear()
    first = asyncio.create_task(client.get("/public"))
    await source.started.wait()
    second, third = (asyncio.create_task(client.get("/public")) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    source.may_finish.set()
    assert (await first).status_code == (await third).status_code == 200
    assert source.calls == 1


async def test_a_failure_is_nobody_elses_and_those_who_waited_try_for_themselves(
    client: httpx2.AsyncClient, source: Source
) -> None:
    source.may_finish.clear()
    source.error = HTTPException(404)
    requests = [asyncio.create_task(client.get("/public")) for _ in range(3)]
    await source.started.wait()
    source.may_finish.set()
    responses = await asyncio.gather(*requests)
    assert {response.status_code for response in responses} == {404}
    assert source.calls == 3
    source.error = None
    assert (await client.get("/public")).status_code == 200


async def test_those_who_waited_for_what_is_not_kept_get_a_response_of_their_own(
    client: httpx2.AsyncClient, source: Source
) -> None:
    source.may_finish.clear()
    source.headers = {"Set-Cookie": "session=secret"}
    methods = ("GET", "GET", "HEAD")
    requests = [asyncio.create_task(client.request(method, "/public")) for method in methods]
    await source.started.wait()
    source.may_finish.set()
    responses = await asyncio.gather(*requests)
    assert {response.status_code for response in responses} == {200}
    assert source.calls == 3


async def test_a_stale_response_is_served_while_one_request_computes_a_new_one(
    client: httpx2.AsyncClient, source: Source, clock: Clock
) -> None:
    old = await client.get("/stale")
    clock.advance(61)
    source.may_finish.clear()
    source.started.clear()
    stale = await asyncio.gather(*(client.get("/stale") for _ in range(10)))
    assert {response.text for response in stale} == {old.text}
    assert all(int(response.headers["Age"]) > 60 for response in stale)
    await source.started.wait()
    source.may_finish.set()
    async with asyncio.timeout(30):
        while (new := await client.get("/stale")).text == old.text:
            await asyncio.sleep(0.01)
    assert new.headers["Age"] == "0"
    assert source.calls == 2


async def test_a_refresh_that_fails_leaves_what_is_kept_and_is_tried_again(
    client: httpx2.AsyncClient, source: Source, clock: Clock
) -> None:
    old = await client.get("/stale")
    clock.advance(61)
    source.error = RuntimeError("broken")
    assert (await client.get("/stale")).text == old.text
    await wait_until(lambda: source.calls == 2)
    source.error = None
    async with asyncio.timeout(30):
        while (await client.get("/stale")).text == old.text:
            await asyncio.sleep(0.01)
    assert source.calls == 3


async def test_a_response_is_not_served_stale_beyond_its_time(
    client: httpx2.AsyncClient, source: Source, clock: Clock
) -> None:
    await client.get("/stale")
    clock.advance(121)
    assert (await client.get("/stale")).headers["Age"] == "0"
    assert source.calls == 2
