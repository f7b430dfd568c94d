"""The FastAPI application that good guides lead to: async ORM, joined loading, a session dependency, response models.

Its pool is SQLAlchemy's own, in its default size of 5 and 10 more at need.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload

from app.config import load_settings
from app.models import Item

engine = create_async_engine(load_settings().database_url)
open_session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class CategoryOut(BaseModel):
    """A category."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


class ItemOut(BaseModel):
    """An item with its category."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    description: str
    price_cents: int
    popularity: int
    version: int
    created_at: datetime
    updated_at: datetime
    category: CategoryOut


class PageOut(BaseModel):
    """Some items, and where the next ones start."""

    model_config = ConfigDict(from_attributes=True)

    items: list[ItemOut]
    next_cursor: str | None


class ItemChange(BaseModel):
    """The fields of an item that a caller may change."""

    name: str | None = None
    description: str | None = None
    price_cents: int | None = None


async def get_session() -> AsyncGenerator[AsyncSession]:
    """A session for one request."""
    async with open_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


@app.get("/items", response_model=PageOut)
async def list_items(
    session: Session, limit: Annotated[int, Query(ge=1, le=100)] = 20, cursor: int | None = None
) -> dict[str, object]:
    """A page of items, newest first."""
    statement = select(Item).options(joinedload(Item.category)).order_by(Item.id.desc()).limit(limit + 1)
    if cursor is not None:
        statement = statement.where(Item.id < cursor)
    items = (await session.scalars(statement)).all()
    return {"items": items[:limit], "next_cursor": str(items[limit - 1].id) if len(items) > limit else None}


@app.get("/items/{item_id}", response_model=ItemOut)
async def get_item(item_id: int, session: Session) -> Item:
    """One item."""
    item = await session.get(Item, item_id, options=[joinedload(Item.category)])
    if item is None:
        raise HTTPException(404)
    return item


@app.patch("/items/{item_id}", response_model=ItemOut)
async def update_item(item_id: int, change: ItemChange, session: Session) -> Item:
    """Change the given fields of an item."""
    item = await session.get(Item, item_id, options=[joinedload(Item.category)])
    if item is None:
        raise HTTPException(404)
    for name, value in change.model_dump(exclude_unset=True).items():
        setattr(item, name, value)
    item.version += 1
    await session.commit()
    await session.refresh(item)
    return item
