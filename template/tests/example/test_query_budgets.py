"""How many statements each endpoint may send, however many rows it returns."""

import httpx2
import pytest
from sqlalchemy import event

from app.config import Settings
from app.main import Service
from app.pagination import PAGE_SIZE_MAX
from tests.conftest import authorization


@pytest.fixture
def statements(seeded: Service) -> list[str]:
    """The statements that were sent to the database since the test began."""
    sent: list[str] = []
    event.listen(
        seeded.resources.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: sent.append(statement),
    )
    return sent


@pytest.mark.parametrize(
    ("path", "budget"),
    [
        ("/items?limit=1", 1),
        (f"/items?limit={PAGE_SIZE_MAX}", 1),
        (f"/items/popular?limit={PAGE_SIZE_MAX}", 1),
        ("/categories", 1),
        ("/me/dashboard", 2),
        ("/health/live", 0),
        ("/health/ready", 1),
    ],
)
async def test_a_read_keeps_its_budget(
    client: httpx2.AsyncClient, settings: Settings, statements: list[str], path: str, budget: int
) -> None:
    response = await client.get(path, headers=authorization("alice", settings))
    assert response.status_code == 200
    assert len(statements) == budget


async def test_a_read_and_a_change_of_one_item_keep_theirs(client: httpx2.AsyncClient, statements: list[str]) -> None:
    item = (await client.get("/items?limit=1")).json()["items"][0]["id"]
    statements.clear()
    await client.get(f"/items/{item}")
    assert len(statements) == 1
    statements.clear()
    await client.patch(f"/items/{item}", json={"name": "Renamed"})
    assert len(statements) == 2
