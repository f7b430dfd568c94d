"""Data for the example's tests, and what they ask of the pool."""

import pytest
from sqlalchemy import QueuePool

from app.main import Service
from load.seed import seed

ITEMS = 50


@pytest.fixture
async def seeded(service: Service) -> Service:
    """The service with 3 categories and 50 items."""
    await seed(service.resources.database, categories=3, items=ITEMS)
    return service


def checked_out(service: Service) -> int:
    """The connections that are in use."""
    pool = service.resources.database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()
