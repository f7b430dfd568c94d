"""Statements on the driver: what is refused, and that a failure costs nobody else anything."""

import asyncio
import enum
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Enum,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from app.config import Settings
from app.database import Database, open_database
from app.deadline import Deadline
from app.driver import compile_for_driver
from app.main import Service
from app.postgresql import is_passing
from app.telemetry.current_request import CurrentRequest, current_request
from tests.conftest import client_of


class Colour(enum.Enum):
    """What SQLAlchemy stores by name."""

    RED = 1


class Reversed(TypeDecorator[str]):
    """What SQLAlchemy converts on its way out."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: object) -> str | None:  # noqa: ARG002
        return None if value is None else value[::-1]


def _now() -> datetime:
    return datetime.now(UTC)


WORDS = Table(
    "words",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("word", String, unique=True),
    Column("price", Numeric),
    Column("weight", Float),
    Column("settings", JSON),
    Column("key", Uuid),
    Column("changed", DateTime(timezone=True), default=_now, onupdate=_now),
    Column("counted", Integer, server_default="0", onupdate=func.length("three")),
)
CONVERTED = Table(
    "converted",
    MetaData(),
    Column("settings", JSON),
    Column("colour", Enum(Colour)),
    Column("reversed", Reversed),
    Column("factor", Numeric(asdecimal=False)),
)
SLEEP = select(func.pg_sleep(60).cast(String).label("slept"))
PID = select(func.pg_backend_pid().label("pid"))
DIALECT = asyncpg.dialect()


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


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (insert(WORDS).values(word="a").returning(WORDS.c.id), "changed"),
        (update(WORDS).values(word="a").returning(WORDS.c.id), "changed"),
        (select(WORDS.c.id).where(WORDS.c.id.in_([1, 2])), "id_1"),
        (select(WORDS.c.id).where(WORDS.c.id.in_(bindparam("ids", expanding=True))), "ids"),
        (select(WORDS.c.id).where(WORDS.c.id == bindparam("id", callable_=lambda: 1)), "id"),
        (select(CONVERTED.c.colour), "colour"),
        (select(CONVERTED.c.reversed), "reversed"),
        (select(CONVERTED.c.factor), "factor"),
        (select(literal_column("1")).where(CONVERTED.c.colour == bindparam("shade")), "shade"),
        (select(literal_column("1")).where(CONVERTED.c.settings == bindparam("given")), "given"),
    ],
)
def test_what_sqlalchemy_would_compute_or_convert_is_refused_by_name(
    statement: ExecutableReturnsRows, named: str
) -> None:
    with pytest.raises(TypeError, match=rf"\b{named}\b"):
        compile_for_driver(statement, DIALECT)


def test_a_statement_is_compiled_once() -> None:
    statement = select(WORDS.c.id)
    assert compile_for_driver(statement, DIALECT) is compile_for_driver(statement, DIALECT)


async def test_rows_are_those_of_sqlalchemy(words: Database) -> None:
    adding = insert(WORDS).values(word=bindparam("w"), price=1.5, changed=bindparam("now")).returning(*WORDS.c)
    added = await words.change(adding, w="one", now=_now())
    async with words.write() as connection:
        await connection.execute(update(WORDS).values(weight=0.5, settings={"a": [1]}, changed=None))
    statement = select(*WORDS.c, func.count().over().label("many")).where(WORDS.c.word == bindparam("w")).limit(5)
    async with words.read() as connection:
        expected = [dict(row) for row in (await connection.execute(statement, {"w": "one"})).mappings()]
    found = await words.fetch(statement, w="one")
    assert found == expected
    assert found[0]["id"] == added[0]["id"]
    assert [type(value) for value in found[0].values()] == [type(value) for value in expected[0].values()]


async def test_a_parameter_that_is_not_given_is_refused_and_costs_no_connection(single: Database) -> None:
    statement = select(literal_column("1")).where(literal_column("1") == bindparam("number", type_=Integer))
    for _ in range(3):
        with pytest.raises(TypeError, match="number"):
            await single.fetch(statement)
    assert await single.fetch(statement, number=1)


async def test_a_broken_rule_is_an_integrity_error_and_the_connection_is_kept(
    words: Database, single: Database
) -> None:
    adding = insert(WORDS).values(word=bindparam("w"), changed=None).returning(WORDS.c.id)
    (before,) = await single.fetch(PID)
    await single.change(adding, w="twice")
    with pytest.raises(IntegrityError, match="twice") as caught:
        await single.change(adding, w="twice")
    assert getattr(caught.value.orig, "sqlstate", None) == "23505"
    assert not is_passing(caught.value)
    assert [before] == await single.fetch(PID)
    assert len(await words.fetch(select(WORDS.c.id))) == 1


async def test_a_value_of_the_wrong_type_is_a_database_error_and_the_connection_is_kept(single: Database) -> None:
    statement = select(literal_column("1")).where(literal_column("1") == bindparam("number", type_=Integer))
    (before,) = await single.fetch(PID)
    with pytest.raises(DBAPIError):
        await single.fetch(statement, number="one")
    assert [before] == await single.fetch(PID)


async def test_a_request_over_its_deadline_is_answered_503_and_the_next_one_works(
    service: Service, single: Database
) -> None:
    async with _client(service, lambda: single.fetch(SLEEP), deadline=0.2) as client:
        assert (await client.get("/run")).status_code == 503
    assert await single.fetch(PID)


async def test_queries_are_counted_for_the_request_that_asks(words: Database) -> None:
    request = CurrentRequest("id")
    token = current_request.set(request)
    await asyncio.gather(*(words.fetch(PID) for _ in range(3)))
    current_request.reset(token)
    await words.fetch(PID)
    assert request.queries == 3


async def test_a_delete_with_returning_is_a_transaction_of_its_own(words: Database) -> None:
    await words.change(insert(WORDS).values(word="gone", changed=None).returning(WORDS.c.id))
    removing = delete(WORDS).where(WORDS.c.word == bindparam("w")).returning(WORDS.c.word)
    assert await words.change(removing, w="gone") == [{"word": "gone"}]
    assert await words.fetch(select(WORDS.c.id)) == []


def _client(service: Service, run: Callable[[], Awaitable[object]], *, deadline: float = 30) -> httpx2.AsyncClient:
    router = APIRouter()

    @router.get("/run")
    async def answer() -> object:
        return await run()

    service.api.include_router(router)
    return client_of(Deadline(service.api, seconds=deadline))
