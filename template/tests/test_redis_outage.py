"""The service goes on while its cache is dead or hangs, and uses it again when it is back."""

import asyncio
import socket
from collections.abc import AsyncGenerator

import pytest

from app.caching.redis import RedisStore
from app.caching.store import StoreUnavailableError, invalidate
from app.config import Settings
from app.main import create_service
from tests.conftest import client_of, running
from tests.valkey_server import valkey_server

TIMEOUT = 0.2


@pytest.fixture
def port() -> int:
    """A port on which nothing listens yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
async def store(port: int) -> AsyncGenerator[RedisStore]:
    """A store whose server is to be started, or not."""
    store = RedisStore(f"redis://127.0.0.1:{port}/0", max_connections=5, timeout=TIMEOUT)
    yield store
    await store.close()


async def test_without_a_server_requests_are_answered(settings: Settings, port: int) -> None:
    service = create_service(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"}))
    async with running(service), client_of(service) as client:
        response = await client.get("/health/ready")
        assert response.status_code == 200
        assert response.json()["checks"] == {"database": "ok", "cache": "unavailable"}


async def test_a_write_stands_though_nothing_can_be_invalidated(store: RedisStore) -> None:
    await invalidate(store, "things")


async def test_a_server_that_hangs_is_waited_for_briefly_and_then_left_alone(store: RedisStore, port: int) -> None:
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
    assert 0 < asked < 10
    server.close()
    await store.close()


async def test_a_server_that_comes_back_is_used_again(store: RedisStore, port: int) -> None:
    with valkey_server(port=port):
        await store.invalidate(["things"])
        before = (await store.load("key", ["things"])).versions
    with pytest.raises(StoreUnavailableError):
        await store.load("key", ["things"])
    with valkey_server(port=port):
        await asyncio.sleep(1.1)
        after = (await store.load("key", ["things"])).versions
    assert before != after == ("",)
