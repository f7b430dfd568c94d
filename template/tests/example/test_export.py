"""The export: complete, capped, and never in the way of others."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY
from starlette.types import Message

from app.database import DatabaseUnavailableError
from app.main import Service
from app.services import items
from tests.conftest import wait_until
from tests.example.conftest import ITEMS, checked_out


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "EXPORT_PAGE", 20)


class Reader:
    """A client of the export that takes the first page and then nothing, until it goes on or goes away."""

    def __init__(self, service: Service) -> None:
        self.has_first_page = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_away = asyncio.Event()
        self.messages: list[Message] = []
        self.task = asyncio.create_task(self._read(service))

    async def _read(self, service: Service) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": "/items/export",
            "query_string": b"",
            "headers": [],
        }
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if requests:
                return requests.pop()
            await self.goes_away.wait()
            return {"type": "http.disconnect"}

        await service(scope, receive, self._take)

    async def _take(self, message: Message) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body":
            self.has_first_page.set()
            await self.goes_on.wait()


@pytest.fixture
async def reader(seeded: Service) -> AsyncGenerator[Reader]:
    """A reader that has the first page."""
    reader = Reader(seeded)
    await reader.has_first_page.wait()
    yield reader
    reader.task.cancel()
    await asyncio.wait([reader.task])


def _lines(response: httpx2.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


@pytest.mark.usefixtures("seeded")
async def test_an_export_holds_every_item_once(client: httpx2.AsyncClient) -> None:
    response = await client.get("/items/export")
    assert response.headers["Content-Type"] == "application/x-ndjson"
    exported = _lines(response)
    identifiers = [item["id"] for item in exported]
    assert len(identifiers) == ITEMS
    assert identifiers == sorted(set(identifiers))
    assert exported[0] == (await client.get(f"/items/{identifiers[0]}")).json()


async def test_an_export_of_nothing_is_empty(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/items/export")).content == b""


@pytest.mark.usefixtures("seeded")
async def test_an_export_is_capped_and_goes_on_after_its_last_line(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "EXPORT_MAX", 30)
    first = _lines(await client.get("/items/export"))
    rest = _lines(await client.get(f"/items/export?after={first[-1]['id']}"))
    assert (len(first), len(rest)) == (30, ITEMS - 30)
    assert first[-1]["id"] < rest[0]["id"]


@pytest.mark.usefixtures("seeded")
async def test_an_export_asks_once_for_each_page(client: httpx2.AsyncClient) -> None:
    labels = {"route": "/items/export"}
    before = REGISTRY.get_sample_value("database_queries_per_request_sum", labels) or 0
    await client.get("/items/export")
    # They are counted at the end of the turn.
    await asyncio.sleep(0)
    assert REGISTRY.get_sample_value("database_queries_per_request_sum", labels) == before + 3


@pytest.mark.usefixtures("seeded")
async def test_an_export_is_compressed(client: httpx2.AsyncClient) -> None:
    response = await client.get("/items/export", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(_lines(response)) == ITEMS


async def test_slow_readers_hold_no_connection(seeded: Service, client: httpx2.AsyncClient) -> None:
    readers = [Reader(seeded) for _ in range(seeded.resources.settings.plan.pool_size + 1)]
    for reader in readers:
        await reader.has_first_page.wait()
    # What runs beside requests may have one for a moment.
    await wait_until(lambda: not checked_out(seeded))
    assert (await client.get("/items?limit=1")).status_code == 200
    for reader in readers:
        reader.goes_on.set()
        await reader.task
        assert not reader.messages[-1].get("more_body", False)


async def test_an_export_ends_when_its_reader_goes_away(seeded: Service, reader: Reader) -> None:
    reader.goes_away.set()
    async with asyncio.timeout(60):
        await reader.task
    await wait_until(lambda: not checked_out(seeded))
    assert len(reader.messages) == 2


async def _fail(*_: object, **__: object) -> list[dict[str, Any]]:
    raise DatabaseUnavailableError


async def test_an_export_that_cannot_begin_is_answered_503(
    seeded: Service, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeded.resources.database, "fetch", _fail)
    assert (await client.get("/items/export")).status_code == 503


async def test_an_export_that_fails_half_way_is_cut_off(
    seeded: Service, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeded.resources.database, "fetch", _fail)
    reader.goes_on.set()
    with pytest.raises(RuntimeError):
        await reader.task
    assert reader.messages[-1]["more_body"]
