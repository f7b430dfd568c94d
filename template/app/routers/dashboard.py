"""The per-user view, kept for each user apart."""

from fastapi import APIRouter

from app.caching import cached
from app.dependencies import CurrentUser, DatabaseDep
from app.schemas.dashboard import Dashboard
from app.services.dashboard import dashboard_of

router = APIRouter(tags=["dashboard"])


@router.get("/me/dashboard")
@cached(expire=30, tags=("items",))
async def dashboard(database: DatabaseDep, user: CurrentUser) -> Dashboard:
    """What belongs to the caller."""
    return await dashboard_of(database, user)
