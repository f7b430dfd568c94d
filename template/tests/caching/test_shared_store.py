"""What every shared store does: its locks belong to one, and what its server forgets revives nothing."""

import asyncio
from collections.abc import AsyncGenerator
from time import time

import pytest

from app.caching.encoding import IDENTITY
from app.caching.representation import represent
from app.caching.store import Entry, Versions
from app.config import Settings
from tests.caching.shared_store import SharedStore, address_on, forget_tag, port_of
from tests.conftest import empty_cache

TAGS = ("things", "others")


@pytest.fixture
async def store(settings: Settings) -> AsyncGenerator[SharedStore]:
    await empty_cache(settings)
    store = SharedStore(address_on(port_of(settings)), max_connections=5, timeout=2)
    yield store
    await store.close()


def _entry(versions: Versions, body: bytes = b"body") -> Entry:
    return Entry({IDENTITY: represent(body, '"etag"', ())}, versions, time(), time() + 60, time() + 120)


async def _body(store: SharedStore, key: str = "key") -> bytes | None:
    entry = (await store.load(key, TAGS)).entry
    return None if entry is None else entry.forms[IDENTITY].body


async def _keep(store: SharedStore, key: str = "key") -> None:
    await store.save(key, _entry((await store.load(key, TAGS)).versions))


async def test_what_is_saved_is_loaded_by_other_processes_until_a_tag_is_invalidated(
    store: SharedStore, settings: Settings
) -> None:
    other = SharedStore(address_on(port_of(settings)), max_connections=5, timeout=2)
    await _keep(store)
    assert await _body(other) == b"body"
    await other.invalidate(["others"])
    assert await _body(store) is None
    await other.close()


async def test_all_who_meet_a_new_tag_at_the_same_time_agree_on_its_version(
    store: SharedStore, settings: Settings
) -> None:
    other = SharedStore(address_on(port_of(settings)), max_connections=5, timeout=2)
    loaded = await asyncio.gather(*(one.load(f"{number}", TAGS) for number in range(20) for one in (store, other)))
    assert len({versions for _, versions in loaded}) == 1
    await other.close()


async def test_an_entry_of_before_an_invalidation_is_not_revived_when_the_server_loses_the_tag(
    store: SharedStore, settings: Settings
) -> None:
    await _keep(store)
    await store.invalidate(["things"])
    await forget_tag(port_of(settings), "things")
    assert await _body(store) is None
    await forget_tag(port_of(settings), "things")
    assert await _body(store) is None


async def test_an_entry_whose_tag_is_lost_while_it_is_computed_is_not_served(
    store: SharedStore, settings: Settings
) -> None:
    versions = (await store.load("key", TAGS)).versions
    await forget_tag(port_of(settings), "others")
    await store.save("key", _entry(versions))
    assert await _body(store) is None


async def test_a_lock_is_held_by_one_until_its_owner_gives_it_back(store: SharedStore) -> None:
    token = await store.acquire("key", seconds=60)
    assert token is not None
    assert await store.acquire("key", seconds=60) is None
    await store.release("key", "not the token")
    assert await store.acquire("key", seconds=60) is None
    await store.release("key", token)
    assert await store.acquire("key", seconds=60) is not None


async def test_a_lock_whose_time_is_over_is_free_and_its_owner_cannot_give_back_the_next_one(
    store: SharedStore,
) -> None:
    late = await store.acquire("key", seconds=0.1)
    assert late is not None
    async with asyncio.timeout(60):
        while await store.acquire("key", seconds=60) is None:
            await asyncio.sleep(0.05)
    await store.release("key", late)
    assert await store.acquire("key", seconds=60) is None


async def test_one_who_is_cancelled_in_the_middle_of_an_answer_leaves_no_answer_to_the_next(store: SharedStore) -> None:
    await store.invalidate(TAGS)
    versions = (await store.load("nothing", TAGS)).versions
    for number in range(50):
        locking = asyncio.create_task(store.acquire(f"key-{number}", seconds=5))
        for _ in range(number % 5):
            await asyncio.sleep(0)
        locking.cancel()
        await asyncio.gather(locking, return_exceptions=True)
        assert await store.acquire(f"other-{number}", seconds=5)
        assert (await store.load("nothing", TAGS)).versions == versions
