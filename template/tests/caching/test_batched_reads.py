"""Many requests in one turn of the event loop ask the store once."""

import asyncio
from collections.abc import Sequence

import pytest

from app.caching.batched_reads import BatchedReads
from app.caching.store import StoreUnavailableError


class _Server:
    """Answers each key with itself, when it may; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.error: BaseException | None = None
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self, keys: Sequence[str]) -> list[bytes | None]:
        self.asked.append(keys)
        self.is_asked.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return [key.encode() for key in keys]


@pytest.fixture
def server() -> _Server:
    return _Server()


@pytest.fixture
def reads(server: _Server) -> BatchedReads:
    return BatchedReads(server.read)


async def test_a_key_that_many_ask_for_travels_once(reads: BatchedReads, server: _Server) -> None:
    values = await asyncio.gather(*(reads.get(["hot", f"key-{number % 3}"]) for number in range(9)))
    assert server.asked == [["hot", "key-0", "key-1", "key-2"]]
    assert values == [[b"hot", f"key-{number % 3}".encode()] for number in range(9)]


async def test_what_is_asked_for_during_a_read_is_in_the_next_one(reads: BatchedReads, server: _Server) -> None:
    server.may_answer.clear()
    first = asyncio.create_task(reads.get(["a"]))
    await server.is_asked.wait()
    others = [asyncio.create_task(reads.get([key])) for key in ("a", "b", "b")]
    await asyncio.sleep(0)
    server.may_answer.set()
    assert await asyncio.gather(first, *others) == [[b"a"], [b"a"], [b"b"], [b"b"]]
    assert server.asked == [["a"], ["a", "b"]]


async def test_very_many_keys_are_read_in_parts(reads: BatchedReads, server: _Server) -> None:
    values = await asyncio.gather(*(reads.get([str(number)]) for number in range(1000)))
    assert values == [[str(number).encode()] for number in range(1000)]
    assert max(map(len, server.asked)) == 256
    assert sum(map(len, server.asked)) == 1000


async def test_one_who_is_cancelled_does_not_disturb_the_others(reads: BatchedReads, server: _Server) -> None:
    server.may_answer.clear()
    requests = [asyncio.create_task(reads.get([str(number)])) for number in range(3)]
    await server.is_asked.wait()
    for number in (0, 1):
        requests[number].cancel()
    server.may_answer.set()
    assert await requests[2] == [b"2"]
    assert await reads.get(["next"]) == [b"next"]


async def test_a_read_that_fails_fails_for_all_who_wait_and_the_next_one_works(
    reads: BatchedReads, server: _Server
) -> None:
    server.error = StoreUnavailableError("gone")
    failures = await asyncio.gather(*(reads.get([str(number)]) for number in range(300)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {StoreUnavailableError}
    server.error = None
    assert await reads.get(["next"]) == [b"next"]
