"""What Memcached asks of a store: short keys, small items and whole seconds."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from time import time

import pytest
from structlog.testing import capture_logs

from app.caching.encoding import IDENTITY
from app.caching.memcached import MemcachedStore, _entry_key
from app.caching.memcached_client import MemcachedClient, Value
from app.caching.representation import represent
from app.caching.store import Entry
from app.config import Settings
from tests.conftest import empty_cache
from tests.memcached_server import ask

TOO_LARGE = b"x" * (2 * 1024 * 1024)
DAY = 24 * 60 * 60


@pytest.fixture
async def store(settings: Settings) -> AsyncGenerator[MemcachedStore]:
    await empty_cache(settings)
    store = MemcachedStore(settings.memcached_server, max_connections=5, timeout=2)
    yield store
    await store.close()


async def _save(store: MemcachedStore, key: str, body: bytes, tag: str = "things", *, seconds: float = 120) -> None:
    versions = (await store.load(key, [tag])).versions
    form = represent(body, '"etag"', ())
    await store.save(key, Entry({IDENTITY: form}, versions, time(), time() + seconds, time() + seconds))


async def _body(store: MemcachedStore, key: str, tag: str = "things") -> bytes | None:
    entry = (await store.load(key, [tag])).entry
    return None if entry is None else entry.forms[IDENTITY].body


@pytest.mark.parametrize("name", ["x" * 300, "two words", "line\r\nflush_all", "Größe", "\x00", "~" * 250])
async def test_any_name_will_do_for_a_key_a_tag_and_a_lock(store: MemcachedStore, name: str) -> None:
    await _save(store, name, b"body", name)
    await _save(store, f"{name}!", b"another", name)
    assert await _body(store, name, name) == b"body"
    assert await _body(store, f"{name}!", name) == b"another"
    assert await store.acquire(name, seconds=60)
    assert await store.acquire(f"{name}!", seconds=60)
    await store.invalidate([name])
    assert await _body(store, name, name) is None


async def test_very_many_long_keys_are_read_together(store: MemcachedStore) -> None:
    names = [f"{number:0220}" for number in range(600)]
    await _save(store, names[7], b"body")
    bodies = await asyncio.gather(*(_body(store, name) for name in names))
    assert [name for name, body in zip(names, bodies, strict=True) if body == b"body"] == [names[7]]


async def test_a_response_that_is_too_large_is_not_kept_and_that_is_said_once(store: MemcachedStore) -> None:
    await _save(store, "small", b"body")
    await _save(store, "large", b"before")
    with capture_logs() as logs:
        for _ in range(3):
            await _save(store, "large", TOO_LARGE)
    assert await _body(store, "large") is None
    assert await _body(store, "small") == b"body"
    assert len(logs) == 1


async def test_a_body_of_nearly_a_megabyte_is_kept_byte_for_byte(store: MemcachedStore) -> None:
    # A parser that looks for the end of an answer, and does not count, would find it in here.
    body = b"END\r\n" * 200_000
    await _save(store, "key", body)
    assert await _body(store, "key") == body


@pytest.mark.parametrize("seconds", [0.1, DAY, 31 * DAY])
async def test_an_entry_is_kept_for_its_time_and_no_longer(
    store: MemcachedStore, settings: Settings, seconds: float
) -> None:
    await _save(store, "key", b"body", seconds=seconds)
    answer = await ask(settings.memcached_server, f"mg {_entry_key('key')} t")
    left = 0 if answer == "EN" else int(answer.removeprefix("HD t"))
    assert seconds - 60 < left < seconds + 2


async def test_many_requests_are_one_command(store: MemcachedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.invalidate(["things"])
    asked: list[Sequence[str]] = []
    get = MemcachedClient.get

    async def get_and_count(self: MemcachedClient, keys: Sequence[str]) -> dict[str, Value]:
        asked.append(keys)
        return await get(self, keys)

    monkeypatch.setattr(MemcachedClient, "get", get_and_count)
    loaded = await asyncio.gather(*(store.load(f"key-{number % 50}", ["things"]) for number in range(200)))
    assert len({versions for _, versions in loaded}) == 1
    assert [len(keys) for keys in asked] == [51]
