"""Items: listed, ranked, read under conditions, and changed under a version."""

import httpx2
import pytest

from app.config import Settings
from app.main import Service
from app.pagination import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from tests.conftest import authorization
from tests.example.conftest import ITEMS

pytestmark = pytest.mark.usefixtures("seeded")


async def _any_item(client: httpx2.AsyncClient) -> httpx2.Response:
    newest = (await client.get("/items?limit=1")).json()["items"][0]
    return await client.get(f"/items/{newest['id']}")


async def test_a_page_holds_the_newest_items_each_with_its_category(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/items")).json()
    identifiers = [item["id"] for item in page["items"]]
    assert len(identifiers) == min(PAGE_SIZE_DEFAULT, ITEMS)
    assert identifiers == sorted(identifiers, reverse=True)
    assert all(item["category"]["name"].startswith("Category") for item in page["items"])


async def test_cursors_lead_through_all_items_once(client: httpx2.AsyncClient) -> None:
    seen: list[int] = []
    cursor = ""
    while True:
        page = (await client.get(f"/items?limit={min(15, PAGE_SIZE_MAX)}{cursor}")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == ITEMS


async def test_an_item_that_is_added_meanwhile_does_not_shift_the_pages(client: httpx2.AsyncClient) -> None:
    first = (await client.get("/items?limit=1")).json()
    await client.post("/items", json=_new_item(first))
    second = (await client.get(f"/items?limit=1&cursor={first['next_cursor']}")).json()
    assert {item["id"] for item in first["items"]}.isdisjoint(item["id"] for item in second["items"])


def _new_item(page: dict[str, list[dict[str, dict[str, int]]]]) -> dict[str, object]:
    return {"name": "New", "price_cents": 100, "category_id": page["items"][0]["category"]["id"]}


@pytest.mark.parametrize("limit", [str(PAGE_SIZE_MAX + 1), "0", "-1", "99999999999999999999", "ten", ""])
async def test_a_limit_out_of_range_is_refused(client: httpx2.AsyncClient, limit: str) -> None:
    assert (await client.get(f"/items?limit={limit}")).status_code == 422
    assert (await client.get(f"/items/popular?limit={limit}")).status_code == 422


async def test_the_popular_items_are_ranked_and_publicly_cached(client: httpx2.AsyncClient) -> None:
    response = await client.get("/items/popular")
    ranks = [(item["popularity"], item["id"]) for item in response.json()]
    assert ranks == sorted(ranks, reverse=True)
    assert response.headers["Cache-Control"] == "public, max-age=60, stale-while-revalidate=30"
    etag = response.headers["ETag"]
    assert (await client.get("/items/popular", headers={"If-None-Match": etag})).status_code == 304


async def test_a_change_shows_in_the_popular_items_at_once(client: httpx2.AsyncClient) -> None:
    top = (await client.get("/items/popular?limit=1")).json()[0]
    await client.patch(f"/items/{top['id']}", json={"name": "Renamed"})
    assert (await client.get("/items/popular?limit=1")).json()[0]["name"] == "Renamed"


async def test_an_item_that_the_caller_has_already_is_answered_304(client: httpx2.AsyncClient) -> None:
    response = await _any_item(client)
    path = f"/items/{response.json()['id']}"
    for header, value in (
        ("If-None-Match", response.headers["ETag"]),
        ("If-Modified-Since", response.headers["Last-Modified"]),
    ):
        again = await client.get(path, headers={header: value})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["ETag"] == response.headers["ETag"]


async def test_a_change_gives_an_item_a_new_version(client: httpx2.AsyncClient) -> None:
    response = await _any_item(client)
    path = f"/items/{response.json()['id']}"
    changed = await client.patch(path, json={"price_cents": 7}, headers={"If-Match": response.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.json()["price_cents"] == 7
    assert changed.json()["name"] == response.json()["name"]
    assert changed.headers["ETag"] != response.headers["ETag"]
    assert (await client.get(path, headers={"If-None-Match": response.headers["ETag"]})).status_code == 200


async def test_a_change_or_removal_of_a_stale_version_is_refused(client: httpx2.AsyncClient) -> None:
    response = await _any_item(client)
    path = f"/items/{response.json()['id']}"
    await client.patch(path, json={"price_cents": 7})
    stale = {"If-Match": response.headers["ETag"]}
    assert (await client.patch(path, json={"price_cents": 8}, headers=stale)).status_code == 412
    assert (await client.delete(path, headers=stale)).status_code == 412
    assert (await client.get(path)).json()["price_cents"] == 7


async def test_a_removed_item_is_gone(client: httpx2.AsyncClient) -> None:
    path = f"/items/{(await _any_item(client)).json()['id']}"
    assert (await client.delete(path)).status_code == 204
    for response in (await client.get(path), await client.patch(path, json={"name": "x"}), await client.delete(path)):
        assert response.status_code == 404


async def test_a_new_item_can_be_read_where_it_says(client: httpx2.AsyncClient, settings: Settings) -> None:
    page = (await client.get("/items?limit=1")).json()
    created = await client.post("/items", json=_new_item(page), headers=authorization("alice", settings))
    assert created.status_code == 201
    read = await client.get(created.headers["Location"])
    assert read.json() == created.json()
    assert read.headers["ETag"] == created.headers["ETag"]


@pytest.mark.parametrize(
    "change",
    [{}, {"name": None}, {"name": ""}, {"name": "a\x00b"}, {"price_cents": -1}, {"price_cents": 10**30}, [], "x"],
)
async def test_a_change_that_cannot_be_stored_is_refused(client: httpx2.AsyncClient, change: object) -> None:
    path = f"/items/{(await _any_item(client)).json()['id']}"
    assert (await client.patch(path, json=change)).status_code == 422


@pytest.mark.parametrize("body", ['{"price_cents": NaN}', '{"price_cents": 1e400}', '{"name": "\\ud800"}', "\xff", "{"])
async def test_what_json_cannot_carry_is_refused_too(client: httpx2.AsyncClient, body: str) -> None:
    path = f"/items/{(await _any_item(client)).json()['id']}"
    response = await client.patch(path, content=body.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)


async def test_a_category_that_does_not_exist_is_refused(client: httpx2.AsyncClient) -> None:
    newest = (await client.get("/items?limit=1")).json()["items"][0]["id"]
    path = f"/items/{newest}"
    new = {"name": "New", "price_cents": 1, "category_id": 10**15}
    assert (await client.post("/items", json=new)).status_code == 422
    assert (await client.patch(path, json={"category_id": 10**15})).status_code == 422
    assert (await client.get("/items?limit=1")).json()["items"][0]["id"] == newest


@pytest.mark.parametrize("identifier", ["0", "-1", "99999999999999999999", "one"])
async def test_an_identifier_out_of_range_is_refused(client: httpx2.AsyncClient, identifier: str) -> None:
    assert (await client.get(f"/items/{identifier}")).status_code == 422


async def test_a_large_body_is_refused(client: httpx2.AsyncClient, seeded: Service) -> None:
    assert seeded.api is not None
    response = await client.post("/items", content=b"x" * 2_000_000, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
