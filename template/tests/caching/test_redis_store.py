"""Many requests in one turn of the event loop cost Redis one command."""

import asyncio

from redis.asyncio import Redis

from app.caching.redis import RedisStore
from app.config import Settings
from tests.conftest import empty_cache


async def test_many_requests_are_one_command(settings: Settings) -> None:
    await empty_cache(settings)
    store = RedisStore(settings.redis_url, max_connections=5, timeout=2)
    await store.invalidate(["things"])
    async with Redis.from_url(settings.redis_url) as redis:
        await redis.config_resetstat()
        loaded = await asyncio.gather(*(store.load(f"key-{number % 50}", ["things"]) for number in range(200)))
        commands = await redis.info("commandstats")
    assert commands["cmdstat_mget"]["calls"] == 1
    assert len({versions for _, versions in loaded}) == 1
    await store.close()
