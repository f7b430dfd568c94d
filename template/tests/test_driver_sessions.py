"""Statements on the driver: what becomes of the session that one of them was given up or ended in."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import Column, Integer, String, func, select, text

from app.config import Settings
from app.database import Database, open_database
from app.deadline import Deadline
from app.main import Service
from tests.conftest import client_of

SLEEP = select(func.pg_sleep(60).cast(String).label("slept"))
PID = select(func.pg_backend_pid().label("pid"))


@pytest.fixture
def another(service: Service) -> Database:
    """Connections to see from what the one does."""
    return service.resources.database


@pytest.fixture
async def single(settings: Settings) -> AsyncGenerator[Database]:
    """A database with one connection, so that whoever comes next gets the same one or its replacement."""
    database = open_database(settings.model_copy(update={"db_pool_size": 1}))
    yield database
    await database.close()


async def test_a_query_that_is_given_up_leaves_nothing_to_the_next(single: Database, another: Database) -> None:
    (before,) = await single.fetch(PID)
    query = asyncio.create_task(single.fetch(SLEEP))
    await _until_active(another, before["pid"])
    query.cancel()
    with pytest.raises(asyncio.CancelledError):
        await query
    async with asyncio.timeout(10):
        (after,) = await single.fetch(PID)
    assert after != before
    await _until_gone(another, before["pid"])


async def test_who_gives_up_while_waiting_for_a_turn_takes_none(single: Database, another: Database) -> None:
    (before,) = await single.fetch(PID)
    holding = asyncio.create_task(single.fetch(SLEEP))
    await _until_active(another, before["pid"])
    waiting = [asyncio.create_task(single.fetch(PID)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in (*waiting, holding):
        task.cancel()
    await asyncio.gather(holding, *waiting, return_exceptions=True)
    async with asyncio.timeout(10):
        assert await single.fetch(PID)


async def test_a_statement_over_its_time_is_answered_503_and_the_connection_is_kept(
    service: Service, single: Database
) -> None:
    (before,) = await single.fetch(PID)
    shorter = text("SELECT set_config('statement_timeout', '100ms', false) AS setting")
    await single.fetch(shorter.columns(Column("setting", String)))
    async with _client(service, lambda: single.fetch(SLEEP)) as client:
        response = await client.get("/run")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert [before] == await single.fetch(PID)


async def test_a_connection_that_the_server_ended_while_idle_is_replaced(
    service: Service, single: Database, another: Database
) -> None:
    (before,) = await single.fetch(PID)
    await _ends(another, before["pid"])
    async with _client(service, lambda: single.fetch(PID)) as client:
        responses = [await client.get("/run") for _ in range(2)]
    assert responses[0].status_code in (200, 503)
    assert responses[1].status_code == 200
    assert responses[1].json() != [before]


async def test_a_connection_that_the_server_ends_during_a_query_is_answered_503_and_replaced(
    service: Service, single: Database, another: Database
) -> None:
    (before,) = await single.fetch(PID)
    statements = iter([SLEEP, PID])
    async with _client(service, lambda: single.fetch(next(statements))) as client:
        request = asyncio.create_task(client.get("/run"))
        await _until_active(another, before["pid"])
        await _ends(another, before["pid"])
        response = await request
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "1"
        assert (await client.get("/run")).json() != [before]


async def test_never_more_connections_are_open_than_planned(settings: Settings) -> None:
    database = open_database(settings)
    statement = text(
        "SELECT count(*) AS open FROM pg_stat_activity, pg_sleep(0.005)"
        " WHERE datname = current_database() AND application_name = current_setting('application_name')"
    ).columns(Column("open", Integer))
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(database.fetch(statement)) for _ in range(60)]
    for task in tasks[::7]:
        task.cancel()
    counts = await asyncio.gather(*tasks, return_exceptions=True)
    await database.close()
    found = [count[0]["open"] for count in counts if isinstance(count, list)]
    assert len(found) == 60 - len(tasks[::7])
    assert max(found) <= settings.plan.pool_size


async def _ends(database: Database, pid: int) -> None:
    """Let the server end a connection, and wait until it has."""
    async with database.read() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": pid})


async def _until_active(database: Database, pid: int) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid AND wait_event = 'PgSleep'")
    async with asyncio.timeout(60), database.read() as connection:
        while not await connection.scalar(query, {"pid": pid}):
            pass


async def _until_gone(database: Database, pid: int) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
    async with asyncio.timeout(10), database.read() as connection:
        while await connection.scalar(query, {"pid": pid}):
            pass


def _client(service: Service, run: Callable[[], Awaitable[object]]) -> httpx2.AsyncClient:
    router = APIRouter()

    @router.get("/run")
    async def answer() -> object:
        return await run()

    service.api.include_router(router)
    return client_of(Deadline(service.api, seconds=30))
