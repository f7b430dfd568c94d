"""Categories: paged by a capped offset."""

import httpx2
import pytest

from app.pagination import PAGE_SIZE_MAX

pytestmark = pytest.mark.usefixtures("seeded")


async def test_pages_follow_each_other(client: httpx2.AsyncClient) -> None:
    names: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = (await client.get(f"/categories?limit=1&offset={offset}")).json()
        names += [category["name"] for category in page["items"]]
        offset = page["next_offset"]
    assert names == ["Category 001", "Category 002", "Category 003"]


@pytest.mark.parametrize(
    "query", [f"limit={PAGE_SIZE_MAX + 1}", "limit=0", "offset=-1", "offset=10001", "offset=99999999999999999999"]
)
async def test_a_value_out_of_range_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    assert (await client.get(f"/categories?{query}")).status_code == 422
