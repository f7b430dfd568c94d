"""Items: read by column with their category in the same statement, written one row at a time."""

from collections.abc import AsyncGenerator, Collection
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from app.database import Database
from app.errors import NotFoundError, PreconditionFailedError, UnprocessableError
from app.models import Category, Item
from app.models.base import utc_now
from app.pagination import Page, encode_cursor
from app.schemas.item import ItemCreate, ItemRead, ItemUpdate

# The most items of one export, and how many are read at a time.
EXPORT_MAX = 100_000
EXPORT_PAGE = 200

# Statements are built once. They select columns, not entities: nothing to track, nothing to load later.
_COLUMNS = (
    Item.id,
    Item.name,
    Item.description,
    Item.price_cents,
    Item.popularity,
    Item.version,
    Item.created_at,
    Item.updated_at,
    Item.category_id,
)
_ITEMS = select(*_COLUMNS, Category.name.label("category_name")).join(Category, Category.id == Item.category_id)
_CATEGORY_NAME = select(Category.name).where(Category.id == Item.category_id).scalar_subquery()

_NEWEST = _ITEMS.order_by(Item.id.desc()).limit(bindparam("limit"))
_NEWEST_AFTER = _NEWEST.where(Item.id < bindparam("after"))
_POPULAR = _ITEMS.order_by(Item.popularity.desc(), Item.id.desc()).limit(bindparam("limit"))
_EXPORT = _ITEMS.where(Item.id > bindparam("after")).order_by(Item.id).limit(bindparam("limit"))
_ONE = _ITEMS.where(Item.id == bindparam("item_id"))
_VERSION = select(Item.version).where(Item.id == bindparam("item_id"))

_LIST = TypeAdapter(list[ItemRead])


async def list_items(database: Database, *, limit: int, after: int | None) -> Page[ItemRead]:
    """A page of items, newest first. ``after`` is the identifier of the last one seen."""
    if after is None:
        rows = await database.fetch(_NEWEST, limit=limit + 1)
    else:
        rows = await database.fetch(_NEWEST_AFTER, limit=limit + 1, after=after)
    items = _LIST.validate_python([_with_category(row) for row in rows[:limit]])
    return Page[ItemRead](items=items, next_cursor=encode_cursor(items[-1].id) if len(rows) > limit else None)


async def popular_items(database: Database, *, limit: int) -> list[ItemRead]:
    """The items with the highest popularity."""
    rows = await database.fetch(_POPULAR, limit=limit)
    return _LIST.validate_python([_with_category(row) for row in rows])


async def export_items(database: Database, *, after: int) -> AsyncGenerator[list[ItemRead]]:
    """Pages of all items behind an identifier, oldest first: ``EXPORT_MAX`` of them at most.

    No connection is held from one page to the next, so each page is as of its own moment.
    """
    left = EXPORT_MAX
    while left:
        limit = min(EXPORT_PAGE, left)
        rows = await database.fetch(_EXPORT, after=after, limit=limit)
        if rows:
            yield _LIST.validate_python([_with_category(row) for row in rows])
        if len(rows) < limit:
            return
        after = rows[-1]["id"]
        left -= limit


async def get_item(database: Database, item_id: int) -> ItemRead:
    """One item. Raises :class:`NotFoundError`."""
    rows = await database.fetch(_ONE, item_id=item_id)
    if not rows:
        raise NotFoundError(f"There is no item {item_id}.")
    return ItemRead.model_validate(_with_category(rows[0]))


async def create_item(database: Database, item: ItemCreate, *, owner: str | None) -> ItemRead:
    """Store a new item. Raises :class:`UnprocessableError` without its category."""
    try:
        async with database.session() as session:
            stored = Item(**item.model_dump(), owner=owner)
            session.add(stored)
            await session.flush()
            row = (await session.execute(_ONE, {"item_id": stored.id})).mappings().one()
    except IntegrityError as error:
        raise UnprocessableError(f"There is no category {item.category_id}.") from error
    return ItemRead.model_validate(_with_category(dict(row)))


async def update_item(
    database: Database, item_id: int, change: ItemUpdate, *, expected_versions: Collection[int] | None
) -> ItemRead:
    """Change the given fields in one statement that also checks the version.

    ``expected_versions`` are those that the caller allows to change, None for any. Raises
    :class:`NotFoundError`, :class:`PreconditionFailedError` or :class:`UnprocessableError`.
    """
    values = change.model_dump(exclude_unset=True)
    versions = None if expected_versions is None else sorted(expected_versions)
    parameters = {f"new_{name}": value for name, value in values.items()}
    parameters |= {f"expected_{number}": version for number, version in enumerate(versions or ())}
    statement = _update_of(tuple(values), None if versions is None else len(versions))
    try:
        rows = await database.change(statement, item_id=item_id, now=utc_now(), **parameters)
    except IntegrityError as error:
        raise UnprocessableError(f"There is no category {change.category_id}.") from error
    if not rows:
        raise await _why_nothing_matched(database, item_id)
    return ItemRead.model_validate(_with_category(rows[0]))


async def delete_item(database: Database, item_id: int, *, expected_versions: Collection[int] | None) -> None:
    """Remove an item. Raises :class:`NotFoundError` or :class:`PreconditionFailedError`."""
    statement = delete(Item).where(Item.id == item_id)
    if expected_versions is not None:
        statement = statement.where(Item.version.in_(expected_versions))
    async with database.write() as connection:
        removed = await connection.execute(statement)
    if removed.rowcount == 0:
        raise await _why_nothing_matched(database, item_id)


@lru_cache(maxsize=64)
def _update_of(fields: tuple[str, ...], expected: int | None) -> ExecutableReturnsRows:
    # One statement for each set of fields and number of versions that may be changed, built once.
    statement = update(Item).where(Item.id == bindparam("item_id"))
    if expected is not None:
        versions = [bindparam(f"expected_{number}") for number in range(expected)]
        statement = statement.where(Item.version.in_(versions))
    changes = {name: bindparam(f"new_{name}") for name in fields}
    return statement.values(version=Item.version + 1, updated_at=bindparam("now"), **changes).returning(
        *_COLUMNS, _CATEGORY_NAME.label("category_name")
    )


async def _why_nothing_matched(database: Database, item_id: int) -> Exception:
    rows = await database.fetch(_VERSION, item_id=item_id)
    if not rows:
        return NotFoundError(f"There is no item {item_id}.")
    return PreconditionFailedError(f"Item {item_id} has changed; it is at version {rows[0]['version']}.")


def _with_category(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "category": {"id": row["category_id"], "name": row["category_name"]}}
