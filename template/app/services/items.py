"""Items: read by column with their category in the same statement, written one row at a time."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import Database
from app.errors import NotFoundError, PreconditionFailedError, UnprocessableError
from app.models import Category, Item
from app.pagination import Page, encode_cursor
from app.schemas.item import ItemCreate, ItemRead, ItemUpdate

# Statements are built once. They select columns, not entities: nothing to track, nothing to load later.
_ITEMS = select(
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

_NEWEST = _ITEMS.order_by(Item.id.desc()).limit(bindparam("limit"))
_NEWEST_AFTER = _NEWEST.where(Item.id < bindparam("after"))
_POPULAR = _ITEMS.order_by(Item.popularity.desc(), Item.id.desc()).limit(bindparam("limit"))
_ONE = _ITEMS.where(Item.id == bindparam("item_id"))
_VERSION = select(Item.version).where(Item.id == bindparam("item_id"))

_LIST = TypeAdapter(list[ItemRead])


async def list_items(database: Database, *, limit: int, after: int | None) -> Page[ItemRead]:
    """A page of items, newest first. ``after`` is the identifier of the last one seen."""
    statement = _NEWEST if after is None else _NEWEST_AFTER
    async with database.read() as connection:
        rows = (await connection.execute(statement, {"limit": limit + 1, "after": after})).mappings().all()
    items = _LIST.validate_python([_with_category(row) for row in rows[:limit]])
    return Page[ItemRead](items=items, next_cursor=encode_cursor(items[-1].id) if len(rows) > limit else None)


async def popular_items(database: Database, *, limit: int) -> list[ItemRead]:
    """The items with the highest popularity."""
    async with database.read() as connection:
        rows = (await connection.execute(_POPULAR, {"limit": limit})).mappings().all()
    return _LIST.validate_python([_with_category(row) for row in rows])


async def get_item(database: Database, item_id: int) -> ItemRead:
    """One item. Raises :class:`NotFoundError`."""
    async with database.read() as connection:
        row = (await connection.execute(_ONE, {"item_id": item_id})).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no item {item_id}.")
    return ItemRead.model_validate(_with_category(row))


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
    return ItemRead.model_validate(_with_category(row))


async def update_item(
    database: Database, item_id: int, change: ItemUpdate, *, expected_versions: Collection[int] | None
) -> ItemRead:
    """Change the given fields in one statement that also checks the version.

    ``expected_versions`` are those that the caller allows to change, None for any. Raises
    :class:`NotFoundError`, :class:`PreconditionFailedError` or :class:`UnprocessableError`.
    """
    statement = update(Item).where(Item.id == item_id)
    if expected_versions is not None:
        statement = statement.where(Item.version.in_(expected_versions))
    values = change.model_dump(exclude_unset=True)
    try:
        async with database.write() as connection:
            changed = await connection.execute(statement.values(version=Item.version + 1, **values))
            if changed.rowcount == 0:
                raise await _why_nothing_matched(connection, item_id)
            row = (await connection.execute(_ONE, {"item_id": item_id})).mappings().one()
    except IntegrityError as error:
        raise UnprocessableError(f"There is no category {change.category_id}.") from error
    return ItemRead.model_validate(_with_category(row))


async def delete_item(database: Database, item_id: int, *, expected_versions: Collection[int] | None) -> None:
    """Remove an item. Raises :class:`NotFoundError` or :class:`PreconditionFailedError`."""
    statement = delete(Item).where(Item.id == item_id)
    if expected_versions is not None:
        statement = statement.where(Item.version.in_(expected_versions))
    async with database.write() as connection:
        removed = await connection.execute(statement)
        if removed.rowcount == 0:
            raise await _why_nothing_matched(connection, item_id)


async def _why_nothing_matched(connection: AsyncConnection, item_id: int) -> Exception:
    version = await connection.scalar(_VERSION, {"item_id": item_id})
    if version is None:
        return NotFoundError(f"There is no item {item_id}.")
    return PreconditionFailedError(f"Item {item_id} has changed; it is at version {version}.")


def _with_category(row: Mapping[Any, Any]) -> dict[str, Any]:
    fields = dict(row)
    fields["category"] = {"id": fields.pop("category_id"), "name": fields.pop("category_name")}
    return fields
