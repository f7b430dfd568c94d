"""The list in steps: from the best practice towards what the service does, one idea at a time."""

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Query
from sqlalchemy import bindparam, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from app.config import load_settings
from app.models import Category, Item
from app.pagination import Page
from app.schemas.item import ItemRead

_POOL_SIZE = 10

engine = create_async_engine(load_settings().database_url, pool_size=_POOL_SIZE, max_overflow=0)
reader = engine.execution_options(isolation_level="AUTOCOMMIT")
open_session = async_sessionmaker(engine, expire_on_commit=False)
turns = asyncio.Semaphore(_POOL_SIZE)
app = FastAPI()

Limit = Annotated[int, Query(ge=1, le=100)]

_COLUMNS = select(
    Item.id,
    Item.name,
    Item.description,
    Item.price_cents,
    Item.popularity,
    Item.version,
    Item.created_at,
    Item.updated_at,
    Category.id.label("category_id"),
    Category.name.label("category_name"),
).join(Category, Category.id == Item.category_id)
_NEWEST = _COLUMNS.order_by(Item.id.desc()).limit(bindparam("limit"))


@app.get("/columns")
async def columns(limit: Limit = 20) -> Page[ItemRead]:
    """Columns, not entities; a session, opened where it is used."""
    async with open_session() as session:
        result = await session.execute(_COLUMNS.order_by(Item.id.desc()).limit(limit + 1))
        rows = result.mappings().all()
    return _page(rows, limit)


@app.get("/autocommit")
async def autocommit(limit: Limit = 20) -> Page[ItemRead]:
    """And in AUTOCOMMIT on a connection, by a statement that is built once."""
    return await _newest(limit)


@app.get("/queued")
async def queued(limit: Limit = 20) -> Page[ItemRead]:
    """And behind a fair queue in front of the pool."""
    async with turns:
        return await _newest(limit)


async def _newest(limit: int) -> Page[ItemRead]:
    async with reader.connect() as connection:
        rows = (await connection.execute(_NEWEST, {"limit": limit + 1})).mappings().all()
    return _page(rows, limit)


def _page(rows: Any, limit: int) -> Page[ItemRead]:  # noqa: ANN401
    items = [ItemRead.model_validate(_with_category(row)) for row in rows[:limit]]
    return Page[ItemRead](items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)


def _with_category(row: RowMapping) -> dict[str, Any]:
    fields = dict(row)
    fields["category"] = {"id": fields.pop("category_id"), "name": fields.pop("category_name")}
    return fields
