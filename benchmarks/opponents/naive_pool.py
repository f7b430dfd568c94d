"""A pool chosen by feel, 20 and 10 more in each worker, whatever the database accepts; one query of 50 ms."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.config import load_settings

engine = create_async_engine(load_settings().database_url, pool_size=20, max_overflow=10)
open_session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


async def get_session() -> AsyncGenerator[AsyncSession]:
    """A session for one request."""
    async with open_session() as session:
        yield session


@app.get("/benchmark/slow")
async def slow(session: Annotated[AsyncSession, Depends(get_session)]) -> dict[str, bool]:
    """A query of 50 ms."""
    await session.execute(text("SELECT pg_sleep(0.05)"))
    return {"ok": True}
