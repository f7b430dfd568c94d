"""How many statements each endpoint may send, however many rows it returns."""

import asyncio

import httpx2
import pytest
from prometheus_client import REGISTRY

from app.config import Settings
from app.pagination import PAGE_SIZE_MAX
from tests.conftest import authorization


async def _statements() -> float:
    """The statements that all requests so far have sent."""
    # They are counted at the end of the turn.
    await asyncio.sleep(0)
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name == "database_queries_per_request_sum")


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    ("path", "budget"),
    [
        ("/items?limit=1", 1),
        (f"/items?limit={PAGE_SIZE_MAX}", 1),
        (f"/items/popular?limit={PAGE_SIZE_MAX}", 1),
        ("/categories", 1),
        (f"/categories/summaries?limit={PAGE_SIZE_MAX}", 1),
        ("/items/export", 1),
        ("/me/dashboard", 2),
        ("/health/live", 0),
        ("/health/ready", 1),
    ],
)
async def test_a_read_keeps_its_budget(client: httpx2.AsyncClient, settings: Settings, path: str, budget: int) -> None:
    before = await _statements()
    response = await client.get(path, headers=authorization("alice", settings))
    assert response.status_code == 200
    assert await _statements() - before == budget


@pytest.mark.usefixtures("seeded")
async def test_a_read_and_a_change_of_one_item_keep_theirs(client: httpx2.AsyncClient) -> None:
    [row] = (await client.get("/items?limit=1")).json()["items"]
    before = await _statements()
    await client.get(f"/items/{row['id']}")
    assert await _statements() - before == 1
    await client.patch(f"/items/{row['id']}", json={"name": "Renamed"})
    assert await _statements() - before == 2
