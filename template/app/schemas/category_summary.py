"""Summaries of categories on the wire."""

from datetime import datetime

from pydantic import BaseModel

from app.schemas.category import CategoryRead


class CategorySummaryRead(BaseModel):
    """What the items of a category come to; a category without items has no prices."""

    category: CategoryRead
    items: int
    min_price_cents: int | None
    average_price_cents: int | None
    refreshed_at: datetime
