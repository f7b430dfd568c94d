"""Summaries: an aggregate over all items, computed now and then into a table, and read from there."""

from datetime import timedelta

from pydantic import TypeAdapter
from sqlalchemy import bindparam, cast, delete, func, insert, literal, select

from app.database import Database
from app.models import Category, CategorySummary, Item
from app.models.base import utc_now
from app.schemas.category_summary import CategorySummaryRead

_LARGEST = (
    select(
        CategorySummary.category_id,
        Category.name,
        CategorySummary.items,
        CategorySummary.min_price_cents,
        CategorySummary.average_price_cents,
        CategorySummary.refreshed_at,
    )
    .join(Category, Category.id == CategorySummary.category_id)
    .order_by(CategorySummary.items.desc(), CategorySummary.category_id.desc())
    .limit(bindparam("limit"))
)
_LIST = TypeAdapter(list[CategorySummaryRead])

# The first category stands for all: who locks its row refreshes, and the others pass by. This lock lets
# items be written meanwhile; where a database has one writer at a time, that is the lock.
_FIRST = select(func.min(Category.id)).scalar_subquery()
_CLAIM = select(Category.id).where(Category.id == _FIRST).with_for_update(skip_locked=True, key_share=True)
_COLUMNS = ("category_id", "items", "min_price_cents", "average_price_cents", "refreshed_at")
_LAST = select(func.max(CategorySummary.refreshed_at))


async def largest_categories(database: Database, *, limit: int) -> list[CategorySummaryRead]:
    """The summaries of the categories with the most items, as of the last refresh."""
    rows = await database.fetch(_LARGEST, limit=limit)
    return _LIST.validate_python([{**row, "category": {"id": row["category_id"], "name": row["name"]}} for row in rows])


async def refresh_summaries(database: Database, *, period: float) -> bool:
    """Compute all summaries anew, unless that was done within ``period`` seconds or is being done.

    Says whether it did. It is one transaction: readers see the former summaries until it is committed,
    and keep them when it fails.
    """
    now = utc_now()
    async with database.write() as connection:
        if await connection.scalar(_CLAIM) is None:
            return False
        last = await connection.scalar(_LAST)
        if last is not None and now - last < timedelta(seconds=period):
            return False
        summaries = (
            select(
                Category.id,
                func.count(Item.id),
                func.min(Item.price_cents),
                cast(func.round(func.avg(Item.price_cents)), CategorySummary.average_price_cents.type),
                literal(now, CategorySummary.refreshed_at.type),
            )
            .outerjoin(Item, Item.category_id == Category.id)
            .group_by(Category.id)
        )
        await connection.execute(delete(CategorySummary))
        await connection.execute(insert(CategorySummary).from_select(_COLUMNS, summaries))
    return True
