"""Categories: paged by a capped offset."""

import httpx2
import pytest

pytestmark = pytest.mark.usefixtures("seeded")


async def test_pages_follow_each_other(client: httpx2.AsyncClient) -> None:
    first = (await client.get("/categories?limit=2")).json()
    assert [category["name"] for category in first["items"]] == ["Category 001", "Category 002"]
    second = (await client.get(f"/categories?limit=2&offset={first['next_offset']}")).json()
    assert [category["name"] for category in second["items"]] == ["Category 003"]
    assert second["next_offset"] is None


@pytest.mark.parametrize("query", ["limit=101", "limit=0", "offset=-1", "offset=10001", "offset=99999999999999999999"])
async def test_a_value_out_of_range_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    assert (await client.get(f"/categories?{query}")).status_code == 422
