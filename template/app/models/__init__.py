"""The tables. Import every model here, so that migrations see it."""

from app.models.base import Base
from app.models.category import Category  # example
from app.models.category_summary import CategorySummary  # example
from app.models.item import Item  # example
from app.models.report import Report  # example

__all__ = [
    "Base",
    "Category",  # example
    "CategorySummary",  # example
    "Item",  # example
    "Report",  # example
]
