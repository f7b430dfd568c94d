"""The popular list with the decorator that is used most: ``@cache`` of fastapi-cache2, on Redis or Valkey."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from app.config import load_settings
from app.models import Item
from benchmarks.opponents.best_practice import ItemOut, open_session


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    """Open the store."""
    redis = Redis.from_url(load_settings().redis_url)
    FastAPICache.init(RedisBackend(redis), prefix="usual")
    yield
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


# Without a session in the signature, which would be part of the key and never match.
@app.get("/items/popular", response_model=list[ItemOut])
@cache(expire=60)
async def popular_items(limit: int = 20) -> list[ItemOut]:
    """The items with the highest popularity."""
    statement = select(Item).options(joinedload(Item.category))
    async with open_session() as session:
        items = await session.scalars(statement.order_by(Item.popularity.desc(), Item.id.desc()).limit(limit))
    return [ItemOut.model_validate(item) for item in items]
