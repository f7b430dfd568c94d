"""Create the example's tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.models.base import Identifier, Timestamp

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "categories",
        sa.Column("id", Identifier(), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
    )
    op.create_table(
        "items",
        sa.Column("id", Identifier(), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.String(2000), nullable=False),
        sa.Column("price_cents", Identifier(), nullable=False),
        sa.Column("popularity", Identifier(), nullable=False),
        sa.Column("owner", sa.String(200), nullable=True),
        sa.Column("version", Identifier(), nullable=False),
        sa.Column("category_id", Identifier(), sa.ForeignKey("categories.id"), nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("updated_at", Timestamp, nullable=False),
    )
    op.create_index("ix_items_category_id", "items", ["category_id"])
    op.create_index("ix_items_owner_id", "items", ["owner", "id"])
    op.create_index("ix_items_popularity_id", "items", ["popularity", "id"])
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("attempts", Identifier(), nullable=False),
        sa.Column("created_at", Timestamp, nullable=False),
        sa.Column("finished_at", Timestamp, nullable=True),
    )
    op.create_index("ix_reports_created_at", "reports", ["created_at"])
    op.create_table(
        "category_summaries",
        sa.Column("category_id", Identifier(), sa.ForeignKey("categories.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("items", Identifier(), nullable=False),
        sa.Column("min_price_cents", Identifier(), nullable=True),
        sa.Column("average_price_cents", Identifier(), nullable=True),
        sa.Column("refreshed_at", Timestamp, nullable=False),
    )
    op.create_index("ix_category_summaries_items_category_id", "category_summaries", ["items", "category_id"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("category_summaries", "reports", "items", "categories"):
        op.drop_table(table)
