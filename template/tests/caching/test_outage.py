"""The service goes on while its cache is dead or hangs, and uses it again when it is back."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2
import pytest
from structlog.testing import capture_logs

from app.caching.policy import LONGEST
from app.caching.store import StoreUnavailableError, invalidate
from app.config import Settings
from app.main import Service, create_service
from tests.caching.cached_routes import Source, cache_in_front_of, routes_of
from tests.caching.shared_store import SharedStore, address_on, on_port, port_of, seconds_of_tag, shared_server
from tests.conftest import client_of, empty_cache, running
from tests.ports import free_port
from tests.relay import Relay

TIMEOUT = 1.0


class _FirstConnectionHangs(Relay):
    """Passes on nothing of the first connection, and all of the others."""

    connections = 0

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.connections > 1:
            await super()._connect(reader, writer)
            return
        await reader.read()
        writer.transport.abort()


@pytest.fixture(autouse=True)
def _short_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.caching.circuit_breaker._REST_SECONDS", 0.1)


@pytest.fixture
def port() -> int:
    """A port on which nothing listens yet."""
    return free_port()


@pytest.fixture
async def store(port: int) -> AsyncGenerator[SharedStore]:
    """A store whose server is to be started, or not."""
    store = SharedStore(address_on(port), max_connections=5, timeout=TIMEOUT)
    yield store
    await store.close()


@pytest.fixture
async def relay(settings: Settings) -> AsyncGenerator[Relay]:
    """A way to the store that can be cut and frozen."""
    await empty_cache(settings)
    async with Relay("127.0.0.1", port_of(settings)) as relay:
        yield relay


@pytest.fixture
async def client(service: Service, source: Source, relay: Relay) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a service with cached routes, whose store is at the end of that way."""
    service.api.include_router(routes_of(source))
    store = SharedStore(address_on(relay.port), max_connections=5, timeout=TIMEOUT)
    async with client_of(cache_in_front_of(service, store)) as client:
        yield client
    await store.close()


async def _ask_at_the_same_time(client: httpx2.AsyncClient, source: Source) -> list[httpx2.Response]:
    source.started.clear()
    source.may_finish.clear()
    requests = [asyncio.create_task(client.get("/public")) for _ in range(20)]
    await source.started.wait()
    # All of them have heard by now, in the same turn, that the store does not answer.
    source.may_finish.set()
    return await asyncio.gather(*requests)


async def _until_kept(client: httpx2.AsyncClient, source: Source) -> None:
    async with asyncio.timeout(60):
        while True:
            calls = source.calls
            await client.get("/public")
            if source.calls == calls:
                return
            await asyncio.sleep(0.02)


async def test_without_a_server_requests_are_answered(settings: Settings, port: int) -> None:
    service = create_service(on_port(settings, port))
    async with running(service), client_of(service) as client:
        response = await client.get("/health/ready")
        assert response.status_code == 200
        assert response.json()["checks"] == {"database": "ok", "cache": "unavailable"}


async def test_when_the_store_dies_responses_are_computed_until_it_is_back(
    client: httpx2.AsyncClient, source: Source, relay: Relay
) -> None:
    await client.get("/public")
    await relay.cut()
    responses = await _ask_at_the_same_time(client, source)
    assert {response.status_code for response in responses} == {200}
    assert source.calls == 2
    await relay.open()
    await _until_kept(client, source)


async def test_when_the_store_hangs_responses_are_computed_until_it_goes_on(
    client: httpx2.AsyncClient, source: Source, relay: Relay
) -> None:
    await client.get("/public")
    relay.freeze()
    async with asyncio.timeout(30):
        responses = await _ask_at_the_same_time(client, source)
    assert {response.status_code for response in responses} == {200}
    assert source.calls == 2
    relay.thaw()
    await _until_kept(client, source)


async def test_when_the_store_hangs_while_a_response_is_computed_it_is_still_sent(
    client: httpx2.AsyncClient, source: Source, relay: Relay
) -> None:
    source.may_finish.clear()
    request = asyncio.create_task(client.get("/public"))
    await source.started.wait()
    relay.freeze()
    source.may_finish.set()
    async with asyncio.timeout(30):
        assert (await request).status_code == 200


async def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    client: httpx2.AsyncClient, source: Source, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.caching.circuit_breaker._REST_SECONDS", 0)
    with capture_logs() as logs:
        await relay.cut()
        for _ in range(3):
            await client.get("/public")
        await relay.open()
        await _until_kept(client, source)
    said = [log["event"] for log in logs if log["event"].startswith("the cache ")]
    assert said == ["the cache does not answer", "the cache answers again"]


async def test_a_write_stands_though_nothing_can_be_invalidated(store: SharedStore) -> None:
    await invalidate(store, "things")


async def test_an_invalidation_that_gets_no_answer_is_sent_once_more(settings: Settings) -> None:
    beside = SharedStore(address_on(port_of(settings)), max_connections=1, timeout=2)
    before = (await beside.load("key", ["things"])).versions
    async with _FirstConnectionHangs("127.0.0.1", port_of(settings)) as relay:
        store = SharedStore(address_on(relay.port), max_connections=5, timeout=TIMEOUT)
        await store.invalidate(["things"])
        await store.close()
    assert (await beside.load("key", ["things"])).versions != before
    await beside.close()


async def test_an_invalidation_is_sent_though_a_read_has_just_failed(settings: Settings, relay: Relay) -> None:
    store = SharedStore(address_on(relay.port), max_connections=5, timeout=TIMEOUT)
    await store.invalidate(["things"])
    before = (await store.load("key", ["things"])).versions
    await relay.cut()
    with pytest.raises(StoreUnavailableError):
        await store.load("key", ["things"])
    await relay.open()
    await store.invalidate(["things"])
    await store.close()
    beside = SharedStore(address_on(port_of(settings)), max_connections=1, timeout=2)
    assert (await beside.load("key", ["things"])).versions != before
    await beside.close()


async def test_a_server_that_hangs_is_waited_for_briefly_and_then_left_alone(
    store: SharedStore, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.caching.circuit_breaker._REST_SECONDS", 60)
    asked = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", port)
    for _ in range(20):
        with pytest.raises(StoreUnavailableError):
            await store.load("key", ["things"])
    assert 0 < asked < 3
    server.close()
    await store.close()


async def test_a_server_that_comes_back_empty_is_used_again(store: SharedStore, port: int) -> None:
    with shared_server(port=port):
        await store.invalidate(["things"])
        before = (await store.load("key", ["things"])).versions
    with pytest.raises(StoreUnavailableError):
        await store.load("key", ["things"])
    with shared_server(port=port):
        async with asyncio.timeout(60):
            while True:
                try:
                    after = (await store.load("key", ["things"])).versions
                    break
                except StoreUnavailableError:
                    await asyncio.sleep(0.02)
    assert before != after


async def test_a_days_tag_outlives_every_response_that_was_kept_under_it(store: SharedStore, port: int) -> None:
    with shared_server(port=port):
        await store.invalidate(["things"])
        assert await seconds_of_tag(port, "things") > LONGEST
