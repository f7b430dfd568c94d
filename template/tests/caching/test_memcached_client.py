"""Memcached's protocol, however its answers arrive, over connections that belong to one at a time."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest

from app.caching.memcached_client import MemcachedClient, MemcachedError
from tests.memcached_server import memcached_server
from tests.relay import Relay

# Who looks for the end of an answer, and does not count, finds it in here.
BODY = b"END\r\nVALUE key 0 1\r\n" * 20


class _InPieces(Relay):
    """Passes on a few bytes at a time; counts the connections."""

    def __init__(self, port: int, *, size: int) -> None:
        super().__init__("127.0.0.1", port)
        self._size = size
        self.connections = 0

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await super()._connect(reader, writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(self._size):
            await self._flows.wait()
            writer.write(chunk)
            await writer.drain()
            # Another turn of the event loop, so that the pieces are read one by one.
            await asyncio.sleep(0)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with memcached_server() as address:
        yield _port(address)


@pytest.fixture
async def client(port: int) -> AsyncGenerator[MemcachedClient]:
    client = MemcachedClient("127.0.0.1", port, max_connections=3)
    yield client
    await client.close()


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


async def _data(client: MemcachedClient, *keys: str) -> dict[str, bytes]:
    return {key: value.data for key, value in (await client.get(keys)).items()}


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_an_answer_in_pieces_is_read_whole(port: int, size: int) -> None:
    values = {"key": BODY, "empty": b"", "last": b"\r\n"}
    async with _InPieces(port, size=size) as relay:
        client = MemcachedClient("127.0.0.1", relay.port, max_connections=1)
        assert await client.set(values, expiry=60)
        assert await _data(client, "key", "nothing", "empty", "last") == values
        assert await _data(client, "nothing") == {}
        await client.close()


async def test_who_waits_for_a_slow_answer_and_is_cancelled_leaves_none_of_it_to_the_next(port: int) -> None:
    async with _InPieces(port, size=1000) as relay:
        client = MemcachedClient("127.0.0.1", relay.port, max_connections=1)
        await client.set({"one": b"1", "two": b"2"}, expiry=60)
        relay.freeze()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get(["one"])
        relay.thaw()
        assert await _data(client, "two") == {"two": b"2"}
        await client.close()


async def test_no_more_connections_are_opened_than_allowed_and_they_are_used_again(port: int) -> None:
    async with _InPieces(port, size=1000) as relay:
        client = MemcachedClient("127.0.0.1", relay.port, max_connections=3)
        for _ in range(3):
            await asyncio.gather(*(client.version() for _ in range(20)))
        assert relay.connections == 3
        await client.close()


async def test_after_a_restart_of_the_server_no_command_fails() -> None:
    with memcached_server() as address:
        client = MemcachedClient("127.0.0.1", _port(address), max_connections=3)
        await asyncio.gather(*(client.version() for _ in range(3)))
    with memcached_server(port=_port(address)):
        assert await _data(client, "key") == {}
    await client.close()


async def test_what_the_server_refuses_is_an_error_and_the_next_command_works(client: MemcachedClient) -> None:
    with pytest.raises(MemcachedError):
        await client.get(["x" * 251])
    assert await client.set({"key": b"1"}, expiry=60)


async def test_a_value_is_added_only_where_none_is(client: MemcachedClient) -> None:
    await client.set({"key": b"1"}, expiry=60)
    assert not await client.add({"key": b"2", "new": b"2"}, expiry=60)
    assert await _data(client, "key", "new") == {"key": b"1", "new": b"2"}


async def test_a_value_that_has_changed_is_not_replaced(client: MemcachedClient) -> None:
    await client.set({"key": b"1"}, expiry=60)
    unique = (await client.get(["key"]))["key"].unique
    assert await client.cas("key", b"2", unique=unique, expiry=60)
    assert not await client.cas("key", b"3", unique=unique, expiry=-1)
    assert await _data(client, "key") == {"key": b"2"}
    unique = (await client.get(["key"]))["key"].unique
    assert await client.cas("key", b"", unique=unique, expiry=-1)
    assert not await client.cas("key", b"", unique=unique, expiry=-1)
    assert await _data(client, "key") == {}
