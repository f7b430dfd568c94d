"""Data for the example's tests."""

import pytest
from load.seed import seed

from app.main import Service


@pytest.fixture
async def seeded(service: Service) -> Service:
    """The service with 3 categories and 50 items."""
    await seed(service.resources.database, categories=3, items=50)
    return service
