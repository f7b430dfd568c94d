"""Data for the example's tests."""

import pytest

from app.main import Service
from load.seed import seed

ITEMS = 50


@pytest.fixture
async def seeded(service: Service) -> Service:
    """The service with 3 categories and 50 items."""
    await seed(service.resources.database, categories=3, items=ITEMS)
    return service
