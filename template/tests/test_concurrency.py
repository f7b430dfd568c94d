"""More requests at once than a process is to work on."""

import asyncio

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.concurrency import ALWAYS_ANSWERED, ConcurrencyLimit
from app.config import Settings
from app.main import create_service
from app.routers import health
from tests.conftest import client_of, running


async def test_beyond_the_limit_503_is_the_answer_to_all_but_whether_the_process_lives() -> None:
    released = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def held(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        begun.release()
        await released.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with client_of(ConcurrencyLimit(held, limit=2)) as client:
        first = [asyncio.create_task(client.get("/")) for _ in range(2)]
        for _ in first:
            await begun.acquire()
        refused = await client.get("/")
        alive = asyncio.create_task(client.get(ALWAYS_ANSWERED))
        await begun.acquire()
        released.set()
        assert [(await task).status_code for task in first] == [200, 200]
        assert (await alive).status_code == 200
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert (await client.get("/")).status_code == 200


def test_what_is_always_answered_is_a_route() -> None:
    assert ALWAYS_ANSWERED in {getattr(route, "path", None) for route in health.router.routes}


async def test_a_request_that_fails_makes_room_for_the_next() -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        raise RuntimeError

    async with client_of(ConcurrencyLimit(failing, limit=1)) as client:
        assert [(await client.get("/")).status_code for _ in range(2)] == [500, 500]


async def test_the_service_works_on_as_many_as_are_planned(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []

    def full(app: ASGIApp, *, limit: int) -> ConcurrencyLimit:
        limits.append(limit)
        return ConcurrencyLimit(app, limit=0)

    monkeypatch.setattr("app.main.ConcurrencyLimit", full)
    service = create_service(settings)
    async with running(service), client_of(service) as client:
        assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get(ALWAYS_ANSWERED)).status_code == 200
    assert limits == [settings.plan.concurrency_limit]
