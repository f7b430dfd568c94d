"""Reports on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel


class CategoryPrices(BaseModel):
    """The prices of one category, in cents."""

    category: str
    items: int
    median: float
    p95: float


class ReportRead(BaseModel):
    """A report and how far it is."""

    id: UUID
    status: Literal["pending", "running", "done", "failed"]
    created_at: datetime
    finished_at: datetime | None
    result: list[CategoryPrices] | None
