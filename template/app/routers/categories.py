"""Categories: a list with a capped offset."""

from fastapi import APIRouter

from app.dependencies import DatabaseDep
from app.pagination import PAGE_SIZE_DEFAULT, Limit, Offset, OffsetPage
from app.schemas.category import CategoryRead
from app.services import categories

router = APIRouter(tags=["categories"])


@router.get("/categories")
async def list_categories(
    database: DatabaseDep, limit: Limit = PAGE_SIZE_DEFAULT, offset: Offset = 0
) -> OffsetPage[CategoryRead]:
    """A page of categories by name."""
    return await categories.list_categories(database, limit=limit, offset=offset)
