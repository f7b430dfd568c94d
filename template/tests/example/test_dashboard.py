"""The dashboard: for its user alone."""

import httpx2
import pytest

from app.config import Settings
from tests.conftest import authorization

pytestmark = pytest.mark.usefixtures("seeded")


async def test_a_user_sees_their_own_items(client: httpx2.AsyncClient, settings: Settings) -> None:
    category = (await client.get("/categories")).json()["items"][0]["id"]
    new = {"name": "Mine", "price_cents": 1, "category_id": category}
    await client.post("/items", json=new, headers=authorization("alice", settings))
    response = await client.get("/me/dashboard", headers=authorization("alice", settings))
    assert response.json()["user"] == "alice"
    assert response.json()["item_count"] == 1
    assert [item["name"] for item in response.json()["newest"]] == ["Mine"]
    assert response.headers["Cache-Control"].startswith("private")
    other = await client.get("/me/dashboard", headers=authorization("bob", settings))
    assert other.json()["item_count"] == 0


async def test_a_user_sees_their_change_at_once(client: httpx2.AsyncClient, settings: Settings) -> None:
    alice = authorization("alice", settings)
    category = (await client.get("/categories")).json()["items"][0]["id"]
    assert (await client.get("/me/dashboard", headers=alice)).json()["item_count"] == 0
    await client.post("/items", json={"name": "Mine", "price_cents": 1, "category_id": category}, headers=alice)
    assert (await client.get("/me/dashboard", headers=alice)).json()["item_count"] == 1


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer forged"}])
async def test_nobody_sees_it_without_a_valid_token(client: httpx2.AsyncClient, header: dict[str, str]) -> None:
    response = await client.get("/me/dashboard", headers=header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
