"""Several processes on one store: what one computes serves them all, and none waits for a dead one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import httpx2
import pytest

from app.caching.store import Entry
from app.config import Settings
from app.main import Service
from tests.caching.cached_routes import Source, cache_in_front_of, routes_of
from tests.caching.conftest import Clock, waiting_for_tasks
from tests.caching.shared_store import SharedStore, address_on, port_of
from tests.conftest import client_of, wait_until


class _WatchedStore(SharedStore):
    """Tells whether its process waits for another one's lock."""

    refusals = 0

    async def acquire(self, key: str, *, seconds: float) -> str | None:
        token = await super().acquire(key, seconds=seconds)
        self.refusals += token is None
        return token


class _KilledStore(SharedStore):
    """The store of a process that is killed while it computes: it gives no lock back."""

    async def release(self, key: str, token: str) -> None:
        pass


class _SlowToSave(SharedStore):
    """Keeps a response only when it may."""

    def __init__(self, address: str) -> None:
        super().__init__(address, max_connections=5, timeout=2)
        self.is_saving = asyncio.Event()
        self.may_save = asyncio.Event()

    async def save(self, key: str, entry: Entry) -> None:
        self.is_saving.set()
        await self.may_save.wait()
        await super().save(key, entry)


@pytest.fixture
async def stores(service: Service, source: Source, settings: Settings) -> AsyncGenerator[list[_WatchedStore]]:
    """The stores of two processes, beside one service with cached routes."""
    service.api.include_router(routes_of(source))
    stores = [_WatchedStore(address_on(port_of(settings)), max_connections=5, timeout=2) for _ in range(2)]
    async with waiting_for_tasks():
        yield stores
    for store in stores:
        await store.close()


def _clients(service: Service, stores: Sequence[SharedStore], *, lock_timeout: float = 5) -> list[httpx2.AsyncClient]:
    caches = [cache_in_front_of(service, store, lock_timeout=lock_timeout) for store in stores]
    return [client_of(cache) for cache in caches]


async def test_a_cold_key_is_computed_by_one_of_two_processes(
    service: Service, source: Source, stores: list[_WatchedStore]
) -> None:
    source.may_finish.clear()
    clients = _clients(service, stores)
    requests = [asyncio.create_task(client.get("/public")) for client in clients for _ in range(20)]
    await wait_until(lambda: any(store.refusals for store in stores))
    source.may_finish.set()
    responses = await asyncio.gather(*requests)
    assert {response.status_code for response in responses} == {200}
    assert source.calls == 1


async def test_what_is_stale_for_two_processes_is_computed_by_one(
    service: Service, source: Source, stores: list[_WatchedStore], clock: Clock
) -> None:
    clients = _clients(service, stores)
    old = await clients[0].get("/stale")
    clock.advance(61)
    source.may_finish.clear()
    assert {(await client.get("/stale")).text for client in clients} == {old.text}
    await wait_until(lambda: any(store.refusals for store in stores))
    source.may_finish.set()
    async with asyncio.timeout(30):
        for client in clients:
            while (await client.get("/stale")).text == old.text:
                await asyncio.sleep(0.01)
    assert source.calls == 2


async def test_who_finds_the_lock_taken_while_the_response_is_being_saved_takes_that_one(
    service: Service, source: Source, stores: list[_WatchedStore], settings: Settings
) -> None:
    first, second = _SlowToSave(address_on(port_of(settings))), stores[0]
    client, another = _clients(service, [first, second])
    one = asyncio.create_task(client.get("/public"))
    await first.is_saving.wait()
    other = asyncio.create_task(another.get("/public"))
    await wait_until(lambda: second.refusals)
    first.may_save.set()
    assert (await one).text == (await other).text
    assert source.calls == 1
    await first.close()


async def test_when_the_process_that_computes_is_killed_another_computes_and_keeps_it(
    service: Service, source: Source, stores: list[_WatchedStore], settings: Settings
) -> None:
    killed = _KilledStore(address_on(port_of(settings)), max_connections=5, timeout=2)
    dying, client, another = _clients(service, [killed, *stores], lock_timeout=1)
    source.may_finish.clear()
    request = asyncio.create_task(dying.get("/public"))
    await source.started.wait()
    request.cancel()
    source.may_finish.set()
    response = await client.get("/public")
    assert response.status_code == 200
    assert stores[0].refusals
    assert (await another.get("/public")).text == response.text
    assert source.calls == 2
    await killed.close()


async def test_who_wants_it_new_does_not_take_what_another_process_has_kept_before(
    service: Service, source: Source, stores: list[_WatchedStore]
) -> None:
    client, another = _clients(service, stores)
    await client.get("/public")
    source.may_finish.clear()
    source.started.clear()
    request = asyncio.create_task(client.get("/public", headers={"Cache-Control": "no-cache"}))
    await source.started.wait()
    other = asyncio.create_task(another.get("/public", headers={"Cache-Control": "no-cache"}))
    await wait_until(lambda: stores[1].refusals)
    source.may_finish.set()
    responses = await asyncio.gather(request, other)
    assert {response.json()[0] for response in responses} == {"2"}
