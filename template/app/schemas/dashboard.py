"""The per-user view on the wire."""

from datetime import datetime

from pydantic import BaseModel


class OwnItem(BaseModel):
    """One of the user's items, in short."""

    id: int
    name: str
    price_cents: int
    updated_at: datetime


class Dashboard(BaseModel):
    """What a user sees first."""

    user: str
    item_count: int
    newest: list[OwnItem]
