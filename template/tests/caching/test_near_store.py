"""Copies in the processes, of one shared store: spared questions, and no copy that outlives its time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from time import time

import httpx2
import pytest
from redis.asyncio import Redis

from app.caching.encoding import IDENTITY
from app.caching.near import NearStore
from app.caching.redis import RedisStore
from app.caching.representation import represent
from app.caching.store import Entry, Loaded, StoreUnavailableError, invalidate
from app.config import Settings
from app.main import Service
from tests.caching.cached_routes import Source, cache_in_front_of, routes_of
from tests.caching.conftest import Clock, waiting_for_tasks
from tests.conftest import client_of, empty_cache, wait_until
from tests.relay import Relay

SECONDS = 30.0
TIMEOUT = 1.0


class _WatchedStore(RedisStore):
    """Counts what is asked of it, and what it hears; a load returns only when it may."""

    def __init__(self, url: str) -> None:
        super().__init__(url, max_connections=5, timeout=TIMEOUT)
        self.loads = 0
        self.heard: list[tuple[str, ...]] = []
        self.has_loaded = asyncio.Event()
        self.may_return = asyncio.Event()
        self.may_return.set()

    async def load(self, key: str, tags: Sequence[str]) -> Loaded:
        self.loads += 1
        loaded = await super().load(key, tags)
        self.has_loaded.set()
        await self.may_return.wait()
        return loaded

    async def invalidations(self) -> AsyncGenerator[tuple[str, ...]]:
        async for tags in super().invalidations():
            yield tags
            self.heard.append(tags)


class _Process:
    """One process's store, and the shared one behind it."""

    def __init__(self, url: str) -> None:
        self.shared = _WatchedStore(url)
        self.store = NearStore(self.shared, seconds=SECONDS, limit=1_000_000)

    async def listen(self) -> None:
        """Until invalidations of others are heard."""
        await self.store.load("nothing", ())
        await wait_until(lambda: self.shared.heard)

    async def body(self, key: str = "key") -> bytes | None:
        loaded = await self.store.load(key, ("things",))
        return None if loaded.entry is None else loaded.entry.forms[IDENTITY].body

    async def loses_the_shared_store(self) -> None:
        """Until it is noticed that nothing answers."""
        async with asyncio.timeout(0.5 * SECONDS):
            while await self._is_answered():
                await asyncio.sleep(0.01)

    async def finds_the_shared_store(self) -> None:
        """Until it answers again."""
        async with asyncio.timeout(60):
            while not await self._is_answered():
                await asyncio.sleep(0.05)

    async def _is_answered(self) -> bool:
        try:
            await self.body()
        except StoreUnavailableError:
            return False
        return True

    async def keep(self, body: bytes, key: str = "key") -> None:
        versions = (await self.shared.load(key, ("things",))).versions
        await self.store.save(key, _entry(body, versions))


def _entry(body: bytes, versions: tuple[str | int, ...]) -> Entry:
    return Entry({IDENTITY: represent(body, '"etag"', ())}, versions, time(), time() + 60, time() + 120)


@asynccontextmanager
async def _processes(url: str) -> AsyncGenerator[tuple[_Process, _Process]]:
    one, other = _Process(url), _Process(url)
    try:
        await one.listen()
        await other.listen()
        yield one, other
    finally:
        await one.store.close()
        await other.store.close()


@pytest.fixture
async def processes(settings: Settings) -> AsyncGenerator[tuple[_Process, _Process]]:
    """Two processes that hear of each other."""
    await empty_cache(settings)
    async with _processes(settings.redis_url) as processes:
        yield processes


@pytest.fixture
async def relay(settings: Settings) -> AsyncGenerator[Relay]:
    """A way to the shared store that can be cut and frozen."""
    await empty_cache(settings)
    url = httpx2.URL(settings.redis_url)
    async with Relay(url.host, url.port or 6379) as relay:
        yield relay


def _url_of(relay: Relay) -> str:
    return f"redis://127.0.0.1:{relay.port}/0"


async def test_a_copy_is_served_without_asking_until_its_time_is_over(
    processes: tuple[_Process, _Process], clock: Clock
) -> None:
    one, other = processes
    await other.keep(b"body")
    assert await one.body() == b"body"
    asked = one.shared.loads
    assert [await one.body() for _ in range(10)] == [b"body"] * 10
    assert one.shared.loads == asked
    clock.advance(SECONDS + 1)
    assert await one.body() == b"body"
    assert one.shared.loads == asked + 1


async def test_another_process_invalidates_a_copy(processes: tuple[_Process, _Process]) -> None:
    one, other = processes
    await one.keep(b"body")
    assert await one.body() == b"body"
    await other.store.invalidate(["others"])
    await wait_until(lambda: ("others",) in one.shared.heard)
    asked = one.shared.loads
    assert await one.body() == b"body"
    assert one.shared.loads == asked
    await other.store.invalidate(["things"])
    await wait_until(lambda: ("things",) in one.shared.heard)
    assert await one.body() is None


async def test_a_process_sees_its_own_invalidation_before_it_hears_of_it(processes: tuple[_Process, _Process]) -> None:
    one, _ = processes
    await one.keep(b"body")
    assert await one.body() == b"body"
    await one.store.invalidate(["things"])
    assert await one.body() is None


async def test_what_was_read_before_an_invalidation_is_not_copied(processes: tuple[_Process, _Process]) -> None:
    one, _ = processes
    await one.keep(b"body")
    one.shared.has_loaded.clear()
    one.shared.may_return.clear()
    reading = asyncio.create_task(one.body())
    await one.shared.has_loaded.wait()
    await one.store.invalidate(["things"])
    one.shared.may_return.set()
    await reading
    assert await one.body() is None


async def test_what_was_read_while_an_invalidation_was_on_its_way_is_not_copied(
    processes: tuple[_Process, _Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = processes
    await one.keep(b"body")
    invalidate_shared = one.shared.invalidate

    async def read_and_invalidate(tags: Sequence[str]) -> None:
        assert await one.body() == b"body"
        await invalidate_shared(tags)

    monkeypatch.setattr(one.shared, "invalidate", read_and_invalidate)
    await one.store.invalidate(["things"])
    assert await one.body() is None


async def test_what_was_read_while_another_was_saved_is_not_copied(
    processes: tuple[_Process, _Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = processes
    await one.keep(b"old")
    save_shared = one.shared.save

    async def read_and_save(key: str, entry: Entry) -> None:
        assert await one.body() == b"old"
        await save_shared(key, entry)

    monkeypatch.setattr(one.shared, "save", read_and_save)
    await one.keep(b"new")
    assert await one.body() == b"new"


async def test_a_response_that_a_caller_wants_new_replaces_the_copy(
    service: Service, source: Source, processes: tuple[_Process, _Process]
) -> None:
    service.api.include_router(routes_of(source))
    async with waiting_for_tasks(), client_of(cache_in_front_of(service, processes[0].store)) as client:
        for _ in range(2):
            await client.get("/public")
        new = await client.get("/public", headers={"Cache-Control": "no-cache"})
        assert (await client.get("/public")).json() == new.json()
    assert source.calls == 2


async def test_who_waits_for_the_lock_of_another_process_finds_what_that_one_keeps(
    processes: tuple[_Process, _Process],
) -> None:
    one, other = processes
    await one.keep(b"old")
    assert await one.body() == b"old"
    assert await other.store.acquire("key", seconds=60)
    await other.keep(b"new")
    assert await one.store.acquire("key", seconds=60) is None
    assert await one.body() == b"new"


async def test_a_copy_is_not_taken_of_what_is_stale(processes: tuple[_Process, _Process], clock: Clock) -> None:
    one, _ = processes
    await one.keep(b"body")
    clock.advance(90)
    asked = one.shared.loads
    assert [await one.body() for _ in range(3)] == [b"body"] * 3
    assert one.shared.loads == asked + 3


async def test_a_subscription_outlives_the_short_timeout_of_the_store(processes: tuple[_Process, _Process]) -> None:
    one, other = processes
    await asyncio.sleep(2 * TIMEOUT)
    await other.store.invalidate(["things"])
    await wait_until(lambda: ("things",) in one.shared.heard)
    assert one.shared.heard == [(), ("things",)]


async def test_a_silent_subscription_is_asked_for_a_sign_of_life_and_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not so short that a busy machine alone makes it silent.
    monkeypatch.setattr("app.caching.redis._LISTEN_SECONDS", 0.5)
    async with _processes(settings.redis_url) as (one, other), Redis.from_url(settings.redis_url) as redis:
        before = (await redis.info("commandstats")).get("cmdstat_ping", {"calls": 0})["calls"]
        async with asyncio.timeout(60):
            while (await redis.info("commandstats")).get("cmdstat_ping", {"calls": 0})["calls"] < before + 4:
                await asyncio.sleep(0.01)
        await other.store.invalidate(["things"])
        await wait_until(lambda: ("things",) in one.shared.heard)
        assert one.shared.heard == [(), ("things",)]


async def test_while_invalidations_are_not_heard_every_request_asks_the_shared_store(relay: Relay) -> None:
    async with _processes(_url_of(relay)) as (one, _):
        await one.keep(b"body")
        assert await one.body() == b"body"
        await relay.cut()
        await one.loses_the_shared_store()
        asked = one.shared.loads
        for _ in range(3):
            with pytest.raises(StoreUnavailableError):
                await one.body()
        assert one.shared.loads == asked + 3
        await relay.open()
        await wait_until(lambda: one.shared.heard.count(()) == 2)
        await one.finds_the_shared_store()
        assert await one.body() == b"body"
        asked = one.shared.loads
        assert await one.body() == b"body"
        assert one.shared.loads == asked


async def test_what_was_invalidated_while_a_lost_connection_was_replaced_is_not_served(
    relay: Relay, settings: Settings
) -> None:
    async with _processes(_url_of(relay)) as (one, _):
        await one.keep(b"body")
        assert await one.body() == b"body"
        await relay.cut()
        beside = RedisStore(settings.redis_url, max_connections=1, timeout=TIMEOUT)
        await invalidate(beside, "things")
        await beside.close()
        await relay.open()
        await wait_until(lambda: one.shared.heard.count(()) == 2)
        await one.finds_the_shared_store()
        assert await one.body() is None


async def test_a_connection_that_is_replaced_at_once_begins_without_copies(
    processes: tuple[_Process, _Process], settings: Settings
) -> None:
    one, _ = processes
    await one.keep(b"body")
    assert await one.body() == b"body"
    asked = one.shared.loads
    async with Redis.from_url(settings.redis_url) as redis:
        await redis.client_kill_filter(_type="pubsub")
    await wait_until(lambda: one.shared.heard.count(()) == 2)
    assert await one.body() == b"body"
    assert one.shared.loads == asked + 1


async def test_a_subscription_that_hangs_is_given_up(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.caching.redis._LISTEN_SECONDS", 0.05)
    async with _processes(_url_of(relay)) as (one, _):
        await one.keep(b"body")
        assert await one.body() == b"body"
        relay.freeze()
        await one.loses_the_shared_store()
        relay.thaw()
        await wait_until(lambda: one.shared.heard.count(()) >= 2)


async def test_a_store_that_is_closed_leaves_nothing_running(settings: Settings) -> None:
    before = asyncio.all_tasks()
    async with _processes(settings.redis_url) as (one, _):
        await one.keep(b"body")
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before
    async with Redis.from_url(settings.redis_url) as redis:
        assert await redis.client_list(_type="pubsub") == []
