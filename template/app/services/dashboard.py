"""The per-user view."""

from pydantic import TypeAdapter
from sqlalchemy import bindparam, func, select

from app.database import Database
from app.models import Item
from app.schemas.dashboard import Dashboard, OwnItem

_NEWEST = 5

_COUNT = select(func.count().label("items")).select_from(Item).where(Item.owner == bindparam("owner"))
_OWN = (
    select(Item.id, Item.name, Item.price_cents, Item.updated_at)
    .where(Item.owner == bindparam("owner"))
    .order_by(Item.id.desc())
    .limit(_NEWEST)
)
_ROWS = TypeAdapter(list[OwnItem])


async def dashboard_of(database: Database, user: str) -> Dashboard:
    """What belongs to a user."""
    [counted] = await database.fetch(_COUNT, owner=user)
    newest = await database.fetch(_OWN, owner=user)
    return Dashboard(user=user, item_count=counted["items"], newest=_ROWS.validate_python(newest))
