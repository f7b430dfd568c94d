"""Items: the table that grows."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Timestamped
from app.models.category import Category


class Item(Timestamped, Base):
    """Something that is listed, ranked and changed. ``version`` counts its changes."""

    __tablename__ = "items"
    __table_args__ = (
        # The dashboard: one owner's items, newest first.
        Index(None, "owner", "id"),
        # The ranking; the identifier makes its order total.
        Index(None, "popularity", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(2000), default="")
    price_cents: Mapped[int]
    popularity: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"), index=True)

    category: Mapped[Category] = relationship(lazy="raise")
