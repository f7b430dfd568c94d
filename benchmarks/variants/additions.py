"""Routes that only the benchmarks need, as an owner of the service would add them."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from pydantic import TypeAdapter
from sqlalchemy import text

import app.routers
from app.caching import cached
from app.dependencies import DatabaseDep
from app.responses import json_response
from app.schemas.category import CategoryRead
from app.schemas.item import ItemRead

router = APIRouter(prefix="/benchmark")


def _item(number: int) -> ItemRead:
    now = datetime.now(UTC)
    return ItemRead(
        id=number,
        name=f"Item {number}",
        description=f"The description of item {number}. " * 3,
        price_cents=100 * number,
        popularity=number,
        version=1,
        created_at=now,
        updated_at=now,
        category=CategoryRead(id=1, name="Category 001"),
    )


_ITEMS = [_item(number) for number in range(1, 21)]
# About 5 MB.
_MANY_ITEMS = [_item(number) for number in range(1, 15_001)]
_LARGE = TypeAdapter(list[ItemRead]).dump_json(_MANY_ITEMS)

_SLOW = text("SELECT pg_sleep(:seconds)")
_COUNTED = text("SELECT nextval('benchmark_queries'), pg_sleep(0.2)")


@router.get("/items")
async def items_from_memory() -> list[ItemRead]:
    """20 items that are there already."""
    return _ITEMS


@router.get("/large")
async def large() -> Response:
    """5 MB of JSON, ready to be sent."""
    return Response(_LARGE, media_type="application/json")


@router.get("/large/models", response_model=list[ItemRead])
async def large_of_models() -> Response:
    """The same, made from models for each request."""
    return await json_response(_MANY_ITEMS)


@router.get("/large/annotated")
async def large_annotated() -> list[ItemRead]:
    """The same, made by FastAPI in one go."""
    return _MANY_ITEMS


@router.get("/slow")
async def slow(database: DatabaseDep) -> dict[str, bool]:
    """A query of 50 ms."""
    async with database.read() as connection:
        await connection.execute(_SLOW, {"seconds": 0.05})
    return {"ok": True}


@router.get("/cold/{key}")
@cached(expire=60, private=False)
async def cold(key: int, database: DatabaseDep) -> dict[str, int]:
    """A cached answer that takes a query of 200 ms; a sequence counts the queries."""
    async with database.read() as connection:
        await connection.execute(_COUNTED)
    return {"key": key}


@router.get("/distinct/{key}")
@cached(expire=3600, private=False)
async def distinct(key: int) -> list[ItemRead]:  # noqa: ARG001
    """A cached answer for each key."""
    return _ITEMS


def add_behind_the_others() -> None:
    """Before ``app.main`` is imported: let the service have these routes too."""
    app.routers.ROUTERS = (*app.routers.ROUTERS, router)
