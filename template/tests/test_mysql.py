"""The server's part: what it is asked, what it keeps, and that its failures cost nobody else anything."""

import asyncio
import enum
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    make_url,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.config import Settings
from app.database import Database, DatabaseUnavailableError, open_database
from app.deadline import Deadline
from app.main import Service, create_service
from app.models import Base
from app.mysql import COLLATION, Timestamp, is_passing, own_connection_limit, server_connection_limit, session_settings
from app.telemetry import metrics
from tests.conftest import client_of, migrate, running, through, wait_until
from tests.relay import Relay


class Colour(enum.Enum):
    """What SQLAlchemy stores by name."""

    RED = 1


MOMENT = datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=UTC)
VALUES = {
    "word": "naïve 👩‍🚀 日本",
    "story": "long " * 20_000,
    "document": {"a": [1, None, "👍"]},
    "price": Decimal("1234.50"),
    "weight": 0.1,
    "flag": True,
    "picture": bytes(range(256)),
    "day": date(2026, 2, 28),
    "key": UUID(int=7),
    "colour": Colour.RED,
    "changed": MOMENT,
}
WORDS = Table(
    "words",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("word", String(100), unique=True),
    Column("story", Text(200_000)),
    Column("document", JSON),
    Column("price", Numeric(10, 2)),
    Column("weight", Float(53)),
    Column("flag", Boolean),
    Column("picture", LargeBinary),
    Column("day", Date),
    Column("key", Uuid),
    Column("colour", Enum(Colour)),
    Column("changed", Timestamp),
)
SLEEP = select(func.sleep(60).label("slept"))
CONNECTION = select(func.connection_id().label("id"))


@pytest.fixture
async def words(service: Service) -> Database:
    """The service's database with an empty table of words."""
    database = service.resources.database
    async with database.write() as connection:
        await connection.run_sync(WORDS.metadata.drop_all)
        await connection.run_sync(WORDS.metadata.create_all)
    return database


@pytest.fixture
async def single(settings: Settings) -> AsyncGenerator[Database]:
    """A database with one connection, so that whoever comes next gets the same one or its replacement."""
    database = open_database(settings.model_copy(update={"db_pool_size": 1}))
    yield database
    await database.close()


async def _identifier(database: Database) -> int:
    [row] = await database.fetch(CONNECTION)
    return row["id"]


async def _kill(database: Database, identifier: int | None) -> None:
    async with database.read() as connection:
        await connection.execute(text(f"KILL {identifier}"))


async def _until_sleeping(database: Database, identifier: int) -> None:
    query = text("SELECT count(*) FROM information_schema.processlist WHERE id = :id AND info LIKE '%sleep%'")
    async with asyncio.timeout(60), database.read() as connection:
        while not await connection.scalar(query, {"id": identifier}):
            await asyncio.sleep(0.01)


def _client(service: Service, run: Callable[[], Awaitable[object]], *, deadline: float = 30) -> httpx2.AsyncClient:
    router = APIRouter()

    @router.get("/run")
    async def answer() -> object:
        return await run()

    service.api.include_router(router)
    return client_of(Deadline(service.api, seconds=deadline))


# What it keeps ----------------------------------------------------------------------------------


async def test_values_of_every_type_come_back_as_they_were(words: Database) -> None:
    async with words.write() as connection:
        await connection.execute(insert(WORDS), VALUES)
    [row] = await words.fetch(select(WORDS))
    assert {name: row[name] for name in VALUES} == VALUES
    assert row["changed"].tzinfo is UTC


async def test_a_value_that_does_not_fit_is_refused_and_not_cut(words: Database) -> None:
    with pytest.raises(DBAPIError, match="too long"):
        async with words.write() as connection:
            await connection.execute(insert(WORDS), {"word": "x" * 101})


async def test_text_is_compared_by_code_point(words: Database) -> None:
    async with words.write() as connection:
        await connection.execute(insert(WORDS), [{"word": word} for word in ("b", "a", "B", "Ä", "ä", "A")])
    rows = await words.fetch(select(WORDS.c.word).order_by(WORDS.c.word))
    assert [row["word"] for row in rows] == sorted("bBaAÄä")
    assert len(await words.fetch(select(WORDS.c.id).where(WORDS.c.word == bindparam("w")), w="a")) == 1


async def test_every_table_compares_text_in_the_same_way(service: Service) -> None:
    query = text("SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = database()")
    async with service.resources.database.read() as connection:
        collations = {row[0]: row[1] for row in await connection.execute(query)}
    tables = {"alembic_version", *Base.metadata.tables}
    assert {name: collations[name] for name in tables} == dict.fromkeys(tables, COLLATION)


async def test_a_migration_waits_for_a_table_no_longer_than_a_statement_may_take(
    service: Service, settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRACE_PERIOD", "10")
    async with service.resources.database.write() as connection:
        await connection.execute(text("LOCK TABLES alembic_version WRITE"))
        with pytest.raises(AssertionError):
            async with asyncio.timeout(60):
                await migrate(settings.database_url)
        await connection.execute(text("UNLOCK TABLES"))
    assert "Lock wait timeout exceeded" in capfd.readouterr().err


async def test_pages_by_keyset_hold_each_row_once_when_moments_are_equal(words: Database) -> None:
    # Three moments that are a microsecond apart, four times each.
    moments = [MOMENT + timedelta(microseconds=number % 3) for number in range(12)]
    async with words.write() as connection:
        rows = [{"word": f"{number}", "changed": moment} for number, moment in enumerate(moments)]
        await connection.execute(insert(WORDS), rows)
    place = tuple_(WORDS.c.changed, WORDS.c.id)
    page = select(WORDS.c.id, WORDS.c.changed).order_by(WORDS.c.changed.desc(), WORDS.c.id.desc()).limit(5)
    after = page.where(place < tuple_(bindparam("changed", type_=Timestamp), bindparam("last", type_=Integer)))
    seen = rows = await words.fetch(page)
    while rows:
        rows = await words.fetch(after, changed=rows[-1]["changed"], last=rows[-1]["id"])
        seen = [*seen, *rows]
    places = [(row["changed"], row["id"]) for row in seen]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == 12


# What it is asked -------------------------------------------------------------------------------


async def test_a_read_is_one_question_and_a_transaction_adds_two(single: Database) -> None:
    async def questions() -> int:
        async with single.read() as connection:
            row = (await connection.execute(text("SHOW SESSION STATUS LIKE 'Questions'"))).one()
        return int(row[1])

    before = await questions()
    await single.fetch(CONNECTION)
    after = await questions()
    assert after - before == 2
    async with single.write() as connection:
        await connection.execute(CONNECTION)
    assert await questions() - after == 4


async def test_a_transaction_sees_what_others_commit_meanwhile(words: Database) -> None:
    count = select(func.count()).select_from(WORDS)
    async with words.write() as connection:
        assert await connection.scalar(count) == 0
        async with words.write() as another:
            await another.execute(insert(WORDS), {"word": "new"})
        assert await connection.scalar(count) == 1


async def test_a_broken_rule_is_an_integrity_error_and_the_connection_is_kept(
    words: Database, single: Database
) -> None:
    async def add() -> None:
        async with single.write() as connection:
            await connection.execute(update(WORDS).values(flag=True))
            await connection.execute(insert(WORDS), {"word": "twice"})

    before = await _identifier(single)
    await add()
    with pytest.raises(IntegrityError, match="twice") as caught:
        await add()
    assert not is_passing(caught.value)
    assert await _identifier(single) == before
    assert await words.fetch(select(WORDS.c.flag)) == [{"flag": None}]


async def test_a_deadlock_passes_by_itself(words: Database) -> None:
    async with words.write() as connection:
        await connection.execute(insert(WORDS), [{"word": "a"}, {"word": "b"}])

    has_one = [asyncio.Event(), asyncio.Event()]

    async def change(first: str, second: str, mine: int) -> None:
        async with words.write() as connection:
            await connection.execute(update(WORDS).where(WORDS.c.word == first).values(flag=True))
            has_one[mine].set()
            await has_one[1 - mine].wait()
            await connection.execute(update(WORDS).where(WORDS.c.word == second).values(flag=True))

    results = await asyncio.gather(change("a", "b", 0), change("b", "a", 1), return_exceptions=True)
    [error] = [result for result in results if result is not None]
    assert isinstance(error, DBAPIError)
    assert is_passing(error)
    assert await words.fetch(select(WORDS.c.flag)) == [{"flag": True}] * 2


async def test_no_more_connections_are_made_than_planned(settings: Settings) -> None:
    database = open_database(settings)

    async def use() -> int:
        async with database.read() as connection:
            return (await connection.execute(select(func.connection_id(), func.sleep(0.005)))).one()[0]

    found = await asyncio.gather(*(use() for _ in range(100)))
    await database.close()
    assert len(set(found)) <= settings.plan.pool_size


# Its limits -------------------------------------------------------------------------------------


async def test_the_servers_own_limit_is_read_from_it(service: Service) -> None:
    async with service.resources.database.read() as connection:
        limit = await server_connection_limit(connection)
        assert limit == await connection.scalar(text("SELECT @@global.max_connections"))
        assert await own_connection_limit(connection) is None
    assert f"database_connections_limit {limit}.0" in metrics.render().decode()


async def test_an_account_with_a_limit_of_its_own_has_that_one(
    settings: Settings, service: Service, worker_name: str
) -> None:
    account = f"'limited_{worker_name}'@'%'"
    async with service.resources.database.write() as connection:
        await connection.execute(text(f"DROP USER IF EXISTS {account}"))
        await connection.execute(text(f"CREATE USER {account} IDENTIFIED BY 'pass word' WITH MAX_USER_CONNECTIONS 7"))
        await connection.execute(text(f"GRANT SELECT ON *.* TO {account}"))
    url = make_url(settings.database_url).set(username=f"limited_{worker_name}", password="pass word")
    limited = settings.model_copy(update={"database_url": url.render_as_string(hide_password=False)})
    database = open_database(limited)
    async with database.read() as connection:
        assert await own_connection_limit(connection) == 7
    await database.close()
    async with service.resources.database.write() as connection:
        await connection.execute(text(f"DROP USER {account}"))


async def test_a_server_that_accepts_less_than_planned_is_reported(
    settings: Settings, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    service = create_service(settings.model_copy(update={"max_connections": 100_001}))
    async with running(service):
        assert b"accepts fewer connections than planned for" in capfdbinary.readouterr().out


def test_each_server_is_told_its_own_limit_for_a_statement(settings: Settings) -> None:
    plan = settings.plan
    mariadb, mysql = (" ".join(session_settings(plan, is_mariadb=each)) for each in (True, False))
    assert f"max_statement_time = {plan.statement_timeout}," in mariadb
    assert f"max_execution_time = {plan.statement_timeout * 1_000}," in mysql
    assert "max_execution_time" not in mariadb
    assert "max_statement_time" not in mysql


async def test_a_statement_over_its_time_is_answered_503_and_the_connection_is_kept(
    settings: Settings, service: Service
) -> None:
    slow = open_database(settings.model_copy(update={"grace_period": 10, "db_pool_size": 1}))
    before = await _identifier(slow)
    async with _client(service, lambda: slow.fetch(SLEEP)) as client:
        response = await client.get("/run")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert await _identifier(slow) == before
    await slow.close()


# When it ends connections, or hangs -------------------------------------------------------------


@pytest.mark.parametrize("use", ["read", "write", "session"])
async def test_a_connection_that_the_server_ended_while_idle_is_replaced(
    use: str, single: Database, words: Database
) -> None:
    async with single.read() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        before = await connection.scalar(CONNECTION)
    await _kill(words, before)
    await wait_until(lambda: driver.is_closed)
    async with getattr(single, use)() as connection:
        assert await connection.scalar(CONNECTION) != before


async def test_a_connection_that_the_server_ends_during_a_query_is_answered_503_and_replaced(
    service: Service, single: Database, words: Database
) -> None:
    before = await _identifier(single)
    statements = iter([SLEEP, CONNECTION])
    async with _client(service, lambda: single.fetch(next(statements))) as client:
        request = asyncio.create_task(client.get("/run"))
        await _until_sleeping(words, before)
        await _kill(words, before)
        response = await request
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "1"
        assert (await client.get("/run")).json() != [{"id": before}]


async def test_a_transaction_that_loses_its_connection_leaves_nothing_behind(words: Database, single: Database) -> None:
    async def lose() -> None:
        async with single.write() as connection:
            await connection.execute(insert(WORDS), {"word": "lost"})
            await _kill(words, await connection.scalar(CONNECTION))
            await connection.execute(insert(WORDS), {"word": "also"})

    with pytest.raises(DBAPIError) as caught:
        await lose()
    assert is_passing(caught.value)
    assert await single.fetch(select(WORDS.c.id)) == []


async def test_a_query_that_is_given_up_leaves_nothing_to_the_next(single: Database, words: Database) -> None:
    before = await _identifier(single)
    query = asyncio.create_task(single.fetch(SLEEP))
    await _until_sleeping(words, before)
    query.cancel()
    with pytest.raises(asyncio.CancelledError):
        await query
    async with asyncio.timeout(60):
        assert await _identifier(single) != before
    await _kill(words, before)


async def test_a_request_over_its_deadline_is_answered_503_and_the_next_one_works(
    service: Service, single: Database, words: Database
) -> None:
    before = await _identifier(single)
    async with _client(service, lambda: single.fetch(SLEEP), deadline=0.2) as client:
        assert (await client.get("/run")).status_code == 503
    assert await single.fetch(CONNECTION)
    await _kill(words, before)


async def test_a_frozen_server_keeps_nobody_beyond_the_deadline(settings: Settings, relay: Relay) -> None:
    database = open_database(through(relay, settings))
    await database.ping()
    relay.freeze()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2) as proxy, asyncio.timeout(0.1):
            await database.ping()
    assert not proxy.expired()
    relay.thaw()
    await database.ping()
    await database.close()


async def test_a_frozen_server_does_not_keep_a_process_from_stopping(settings: Settings, relay: Relay) -> None:
    database = open_database(through(relay, settings))
    await database.ping()
    relay.freeze()
    async with asyncio.timeout(10):
        await database.close()


async def test_who_waits_for_a_frozen_server_to_take_a_connection_is_told_in_time(
    settings: Settings, relay: Relay
) -> None:
    database = open_database(through(relay, settings).model_copy(update={"grace_period": 10}))
    relay.freeze()
    with pytest.raises(DatabaseUnavailableError):
        await asyncio.wait_for(database.ping(), 20)
    await database.close()
