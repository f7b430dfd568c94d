"""Each request has an id, a deadline, one line in the log, and is counted under its route."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import APIRouter
from prometheus_client import REGISTRY

from app.deadline import Deadline
from app.main import Service
from tests.conftest import client_of


@pytest.fixture
def routes(service: Service) -> None:
    """Routes that fail, and one that is slow."""
    router = APIRouter()

    @router.get("/failing/{number}")
    async def failing(number: int) -> None:
        raise RuntimeError(f"number {number} is wrong")

    @router.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(60)

    service.api.include_router(router)


async def _lines(output: pytest.CaptureFixture[bytes]) -> list[dict[str, object]]:
    # They leave at the end of the turn.
    await asyncio.sleep(0)
    return [json.loads(line) for line in output.readouterr().out.splitlines()]


async def test_a_request_id_from_outside_is_kept(client: httpx2.AsyncClient) -> None:
    response = await client.get("/nowhere", headers={"X-Request-ID": "abc-123"})
    assert response.headers["X-Request-ID"] == "abc-123"


async def test_an_unusable_request_id_is_replaced(client: httpx2.AsyncClient) -> None:
    response = await client.get("/nowhere", headers={"X-Request-ID": "a b\tc"})
    assert re.fullmatch("[0-9a-f]{16}", response.headers["X-Request-ID"])


async def test_what_no_route_declares_as_cached_is_kept_by_nobody(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/health")).headers["Cache-Control"] == "no-store"


async def test_a_request_is_one_line_of_json(
    client: httpx2.AsyncClient, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    await client.get("/nowhere", headers={"X-Request-ID": "abc-123"})
    [line] = [line for line in await _lines(capfdbinary) if line["event"] == "request"]
    assert line["request_id"] == "abc-123"
    assert line["method"] == "GET"
    assert line["path"] == "/nowhere"
    assert line["status"] == 404
    assert isinstance(line["milliseconds"], float)
    assert datetime.now(UTC) - datetime.fromisoformat(str(line["timestamp"])) < timedelta(minutes=1)


async def test_a_path_with_odd_characters_is_logged_as_it_is(
    client: httpx2.AsyncClient, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    await client.get("/%22%5C%0A%7B%C3%A9")
    [line] = [line for line in await _lines(capfdbinary) if line["event"] == "request"]
    assert line["path"] == '/"\\\n{é'


@pytest.mark.usefixtures("routes")
async def test_an_unhandled_error_is_a_500_that_tells_the_caller_nothing(
    client: httpx2.AsyncClient, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    response = await client.get("/failing/7", headers={"X-Request-ID": "abc-123"})
    assert response.status_code == 500
    assert "number 7" not in response.text
    [line] = [line for line in await _lines(capfdbinary) if line["event"] == "unhandled error"]
    assert line["request_id"] == "abc-123"
    assert "number 7 is wrong" in str(line["exception"])


@pytest.mark.usefixtures("routes")
async def test_requests_are_counted_under_their_route_not_their_path(client: httpx2.AsyncClient) -> None:
    labels = {"method": "GET", "route": "/failing/{number}", "status": "500"}
    before = REGISTRY.get_sample_value("http_requests_total", labels) or 0
    await client.get("/failing/1")
    await client.get("/failing/2")
    # They are counted at the end of the turn.
    await asyncio.sleep(0)
    assert REGISTRY.get_sample_value("http_requests_total", labels) == before + 2


@pytest.mark.usefixtures("routes")
async def test_a_request_that_takes_too_long_is_answered_503(service: Service) -> None:
    async with client_of(Deadline(service.api, seconds=0.05)) as client:
        response = await client.get("/slow")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


async def test_metrics_are_served_in_prometheus_format(client: httpx2.AsyncClient) -> None:
    await client.get("/nowhere")
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert "http_request_duration_seconds_bucket" in response.text
    assert "database_connections_planned" in response.text


async def test_metrics_are_not_for_who_comes_through_a_proxy(client: httpx2.AsyncClient) -> None:
    response = await client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.1"})
    assert response.status_code == 404
    assert "http_requests_total" not in response.text
