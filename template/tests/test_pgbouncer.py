"""Through PgBouncer in transaction mode, where each statement may meet another session.

The other tests go through one, too; these have a PgBouncer of their own, with very few connections.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, func, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.config import Settings
from app.database import Database, open_database
from app.main import Service
from tests.conftest import ROOT, client_of, wait_until
from tests.pgbouncer_server import deployed_configuration, pgbouncer_server

CONNECTIONS = 3

NUMBERS = Table("numbers", MetaData(), Column("number", Integer, primary_key=True), Column("touched", Integer))
ONE = select(bindparam("number", type_=Integer).label("number"))
PID = select(func.pg_backend_pid().label("pid"))
SLEEP = text("SELECT pg_sleep(:seconds)")
LONG_SLEEP = select(func.pg_sleep(60).cast(String).label("slept"))


@pytest.fixture
async def direct(settings: Settings) -> AsyncGenerator[AsyncConnection]:
    """A connection past PgBouncer, to see from what PgBouncer does."""
    name = make_url(settings.database_url).database
    engine = create_async_engine(make_url(_server()).set(database=name), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@asynccontextmanager
async def _behind(
    settings: Settings, *, processes: int = 1, statement_timeout: int | None = None, **sizes: int
) -> AsyncGenerator[list[Database]]:
    """The databases of some processes behind a PgBouncer of few connections."""
    sizes = {"default_pool_size": CONNECTIONS, "max_db_connections": CONNECTIONS, **sizes}
    with pgbouncer_server(_server(), statement_timeout=statement_timeout, **sizes) as url:
        behind = _at(url, settings)
        async with AsyncExitStack() as closing:
            databases = [open_database(behind) for _ in range(processes)]
            for database in databases:
                closing.push_async_callback(database.close)
            yield databases


def _server() -> str:
    return os.environ["TEST_DATABASE_URL"]


def _at(url: str, settings: Settings) -> Settings:
    there = make_url(url).set(database=make_url(settings.database_url).database)
    return settings.model_copy(update={"database_url": there.render_as_string(hide_password=False)})


async def test_many_clients_share_few_connections_and_no_statement_is_lost(
    settings: Settings, direct: AsyncConnection
) -> None:
    await direct.run_sync(NUMBERS.metadata.drop_all)
    await direct.run_sync(NUMBERS.metadata.create_all)
    await direct.execute(insert(NUMBERS), [{"number": number, "touched": 0} for number in range(20)])
    most = 0

    async def read_on_the_driver(database: Database, number: int) -> None:
        assert await database.fetch(ONE, number=number) == [{"number": number}]

    async def read(database: Database, number: int) -> None:
        async with database.read() as connection:
            for offset in range(3):
                assert await connection.scalar(ONE, {"number": number + offset}) == number + offset

    async def lock(database: Database, number: int) -> None:
        async with database.session() as session:
            row = select(NUMBERS.c.number).order_by(NUMBERS.c.touched).limit(1)
            found = await session.scalar(row.with_for_update(skip_locked=True))
            await session.execute(NUMBERS.update().where(NUMBERS.c.number == found).values(touched=number))

    async def watch() -> None:
        nonlocal most
        query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_start > :at")
        while not done.is_set():
            most = max(most, await direct.scalar(query, {"at": started}) or 0)

    started, done = await direct.scalar(text("SELECT clock_timestamp()")), asyncio.Event()
    watching = asyncio.create_task(watch())
    # As many as planned, who wait as long as it takes.
    planned = settings.model_copy(update={"db_pool_size": 10 * CONNECTIONS // 4, "grace_period": 300})
    async with _behind(planned, processes=4, query_wait_timeout=30) as databases:
        kinds: list[Callable[[Database, int], Awaitable[None]]] = [read_on_the_driver, read, lock]
        await asyncio.gather(*(kinds[number % 3](databases[number % 4], number) for number in range(600)))
        done.set()
        await watching
    assert 1 <= most <= CONNECTIONS
    await direct.run_sync(NUMBERS.metadata.drop_all)


async def test_who_waits_too_long_in_pgbouncer_is_told_to_come_back(settings: Settings, service: Service) -> None:
    enough = settings.model_copy(update={"db_pool_size": 2 * CONNECTIONS})
    async with (
        _behind(enough, query_wait_timeout=2) as (database,),
        _client(service, lambda: database.fetch(PID)) as client,
    ):
        async with AsyncExitStack() as holding:
            for _ in range(CONNECTIONS):
                connection = await holding.enter_async_context(database.write())
                await connection.execute(PID)
            responses = await asyncio.gather(*(client.get("/run") for _ in range(CONNECTIONS)))
        assert {response.status_code for response in responses} == {503}
        assert {response.headers.get("Retry-After") for response in responses} == {"1"}
        assert (await client.get("/run")).status_code == 200


async def test_every_session_has_the_settings_that_pgbouncer_makes(settings: Settings) -> None:
    (target,) = deployed_configuration()["databases"].values()
    made = dict(re.findall(r"SET (\w+) = (\d+)", target))
    assert made["statement_timeout"] == str(1_000 * settings.plan.statement_timeout)
    if sys.platform == "darwin":
        # A server there has no such bound.
        made.pop("tcp_user_timeout", None)
    query = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
    async with _behind(settings) as (database,), AsyncExitStack() as holding:
        for _ in range(CONNECTIONS):
            connection = await holding.enter_async_context(database.write())
            rows = await connection.execute(query, {"names": list(made)})
            assert {row.name: row.setting for row in rows} == made


async def test_a_statement_that_takes_too_long_is_ended_and_answered_503(settings: Settings, service: Service) -> None:
    async with _behind(settings, statement_timeout=100) as (database,):
        for run in (lambda: database.fetch(LONG_SLEEP), lambda: _run(database, SLEEP, seconds=60)):
            async with _client(service, run) as client:
                response = await client.get("/run")
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "1"


async def test_a_query_that_is_given_up_is_ended_and_gives_its_connection_back(
    settings: Settings, direct: AsyncConnection
) -> None:
    async with _behind(settings, default_pool_size=1) as (database,):
        for run in (lambda: database.fetch(LONG_SLEEP), lambda: _run(database, SLEEP, seconds=60)):
            query = asyncio.create_task(run())
            await _until_asleep(direct)
            query.cancel()
            with pytest.raises(asyncio.CancelledError):
                await query
            async with asyncio.timeout(10):
                assert await database.fetch(PID)
    async with asyncio.timeout(10):
        while await _asleep(direct):
            pass


async def test_a_value_that_the_driver_refuses_keeps_no_connection_from_others(settings: Settings) -> None:
    async with _behind(settings, processes=2, default_pool_size=1) as (mistaken, other):
        await mistaken.fetch(PID)
        with pytest.raises(DBAPIError):
            await mistaken.fetch(ONE, number="one")
        assert await other.fetch(PID)
        async with mistaken.read() as connection:
            with pytest.raises(DBAPIError):
                await connection.execute(ONE, {"number": "one"})
            assert await other.fetch(PID)


async def test_no_statement_is_left_behind_in_a_session(settings: Settings) -> None:
    async with _behind(settings, default_pool_size=1) as (database,):
        for number in range(5):
            await database.fetch(ONE, number=number)
            await _run(database, ONE, number=number)
        async with database.read() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")) == 0


async def test_a_session_that_the_server_ends_costs_one_request_at_most(
    settings: Settings, service: Service, direct: AsyncConnection
) -> None:
    async with _behind(settings, default_pool_size=1) as (database,):
        statements = iter([LONG_SLEEP, PID, PID])
        async with _client(service, lambda: database.fetch(next(statements))) as client:
            request = asyncio.create_task(client.get("/run"))
            await _until_asleep(direct)
            await direct.execute(
                text("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            )
            response = await request
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "1"
            (session,) = (await client.get("/run")).json()
            # And when it lies idle, none.
            await direct.execute(text("SELECT pg_terminate_backend(:pid, 60000)"), session)
            assert (await client.get("/run")).json() != [session]


async def test_a_pgbouncer_that_is_started_again_is_used_again(settings: Settings) -> None:
    with ExitStack() as running:
        url = running.enter_context(pgbouncer_server(_server()))
        database = open_database(_at(url, settings))
        async with database.read() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
        running.close()
        await wait_until(driver.is_closed)
        running.enter_context(pgbouncer_server(_server(), port=make_url(url).port))
        assert await database.fetch(PID)
        await database.close()


def test_migrations_go_past_pgbouncer(settings: Settings) -> None:
    url = make_url(_server()).set(database=make_url(settings.database_url).database)
    urls = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "MIGRATION_DATABASE_URL": url.render_as_string(hide_password=False),
    }
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **urls}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _client(service: Service, run: Callable[[], Awaitable[object]]) -> httpx2.AsyncClient:
    router = APIRouter()

    @router.get("/run")
    async def answer() -> object:
        return await run()

    service.api.include_router(router)
    return client_of(service)


async def _run(database: Database, statement: Any, **parameters: object) -> None:
    async with database.read() as connection:
        await connection.execute(statement, parameters)


async def _asleep(direct: AsyncConnection) -> int:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
    return await direct.scalar(query) or 0


async def _until_asleep(direct: AsyncConnection) -> None:
    async with asyncio.timeout(60):
        while not await _asleep(direct):
            pass
