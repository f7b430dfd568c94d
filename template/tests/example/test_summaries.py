"""Summaries: right when refreshed, refreshed once in a period, and read from their table."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, func, select

from app.config import Settings
from app.database import Database, open_database
from app.main import Service
from app.models import Category, CategorySummary, Item
from app.pagination import PAGE_SIZE_MAX
from app.services.summaries import largest_categories, refresh_summaries
from load.seed import seed
from tests.conftest import empty_tables

HOUR = 3600


@pytest.fixture
async def database(settings: Settings) -> AsyncGenerator[Database]:
    """A database with 3 categories and 50 items, and nobody who refreshes their summaries."""
    database = open_database(settings)
    await empty_tables(database)
    await seed(database, categories=3, items=50)
    yield database
    await database.close()


async def _computed(database: Database) -> dict[int, tuple[Any, ...]]:
    """The same numbers, by Python."""
    async with database.read() as connection:
        rows = (await connection.execute(select(Item.category_id, Item.price_cents))).all()
    prices: dict[int, list[int]] = {}
    for category, price in rows:
        prices.setdefault(category, []).append(price)
    return {category: (len(cents), min(cents), round(sum(cents) / len(cents))) for category, cents in prices.items()}


async def _stored(database: Database) -> dict[int, tuple[Any, ...]]:
    summaries = await largest_categories(database, limit=100)
    return {entry.category.id: (entry.items, entry.min_price_cents, entry.average_price_cents) for entry in summaries}


async def test_a_refresh_computes_what_the_items_come_to(database: Database) -> None:
    assert await refresh_summaries(database, period=HOUR)
    assert await _stored(database) == await _computed(database)


async def test_a_category_without_items_has_no_prices(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(delete(Item))
    await refresh_summaries(database, period=HOUR)
    assert set((await _stored(database)).values()) == {(0, None, None)}


async def test_a_second_refresh_within_the_period_does_nothing(database: Database) -> None:
    await refresh_summaries(database, period=HOUR)
    before = await _stored(database)
    await seed(database, categories=3, items=10)
    assert not await refresh_summaries(database, period=HOUR)
    assert await _stored(database) == before
    assert await refresh_summaries(database, period=0)
    assert await _stored(database) == await _computed(database) != before


async def test_two_refreshes_at_once_have_one_effect(database: Database, settings: Settings) -> None:
    another_process = open_database(settings)
    refreshes = [refresh_summaries(each, period=HOUR) for each in (database, another_process) for _ in range(2)]
    try:
        assert sorted(await asyncio.gather(*refreshes)) == [False, False, False, True]
    finally:
        await another_process.close()
    assert await _stored(database) == await _computed(database)


async def test_a_refresh_that_dies_half_way_leaves_the_former_summaries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refresh_summaries(database, period=HOUR)
    before = await _stored(database)
    # The INSERT names a column that it has no value for, so it fails after the DELETE.
    monkeypatch.setattr("app.services.summaries._COLUMNS", ("category_id",))
    with pytest.raises(Exception, match="category_summaries"):
        await refresh_summaries(database, period=0)
    assert await _stored(database) == before


async def test_nothing_is_refreshed_without_categories(database: Database) -> None:
    await empty_tables(database)
    assert not await refresh_summaries(database, period=0)


async def test_a_category_is_deleted_with_its_summary(database: Database) -> None:
    await refresh_summaries(database, period=HOUR)
    async with database.write() as connection:
        await connection.execute(delete(Item))
        await connection.execute(delete(Category))
        assert await connection.scalar(select(func.count()).select_from(CategorySummary)) == 0


async def test_the_largest_categories_come_first_and_are_publicly_cached(
    seeded: Service, client: httpx2.AsyncClient
) -> None:
    while not await refresh_summaries(seeded.resources.database, period=0):
        """The service is doing it itself, perhaps with fewer items."""
    sizes = [summary.items for summary in await largest_categories(seeded.resources.database, limit=3)]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == 50
    response = await client.get("/categories/summaries")
    found = [entry["items"] for entry in response.json()]
    assert found == sizes[: len(found)]
    assert response.headers["Cache-Control"] == "public, max-age=60"
    assert len((await client.get("/categories/summaries?limit=1")).json()) == 1


@pytest.mark.parametrize("limit", [str(PAGE_SIZE_MAX + 1), "0", "ten"])
async def test_a_limit_out_of_range_is_refused(client: httpx2.AsyncClient, limit: str) -> None:
    assert (await client.get(f"/categories/summaries?limit={limit}")).status_code == 422
