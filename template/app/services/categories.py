"""Categories: read a page at a time."""

from pydantic import TypeAdapter
from sqlalchemy import bindparam, select

from app.database import Database
from app.models import Category
from app.pagination import OffsetPage, next_offset
from app.schemas.category import CategoryRead

_PAGE = (
    select(Category.id, Category.name)
    .order_by(Category.name, Category.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_ROWS = TypeAdapter(list[CategoryRead])


async def list_categories(database: Database, *, limit: int, offset: int) -> OffsetPage[CategoryRead]:
    """A page of categories by name."""
    rows = await database.fetch(_PAGE, limit=limit + 1, offset=offset)
    following = next_offset(rows, limit=limit, offset=offset)
    return OffsetPage[CategoryRead](items=_ROWS.validate_python(rows[:limit]), next_offset=following)
