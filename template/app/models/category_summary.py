"""Summaries of the categories: a table that is computed, so that no request has to."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base
from app.models.category import Category


class CategorySummary(Base):
    """What the items of one category came to when all summaries were last refreshed."""

    __tablename__ = "category_summaries"
    __table_args__ = (Index(None, "items", "category_id"),)

    category_id: Mapped[int] = mapped_column(ForeignKey(Category.id, ondelete="CASCADE"), primary_key=True)
    items: Mapped[int]
    min_price_cents: Mapped[int | None]
    average_price_cents: Mapped[int | None]
    refreshed_at: Mapped[datetime]
