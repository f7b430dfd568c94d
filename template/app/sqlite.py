"""What is particular to SQLite: the engine, its PRAGMAs, and which errors pass."""

import asyncio
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Dialect, Integer, event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from app.capacity import Plan

Identifier = Integer  # Only INTEGER PRIMARY KEY numbers its rows by itself; it has 64 bits.


class Timestamp(TypeDecorator[datetime]):
    """A moment in UTC. SQLite stores it without a zone and sorts it as text."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


def create_engine(url: str, plan: Plan) -> AsyncEngine:
    """The engine of one process; each connection is a thread of its own."""
    engine = create_async_engine(
        url,
        pool_size=plan.pool_size,
        max_overflow=plan.max_overflow,
        pool_timeout=plan.pool_timeout,
        # How long a writer waits for another process to finish its write.
        connect_args={"timeout": plan.statement_timeout},
    )
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    event.listen(engine.sync_engine, "begin", _take_the_write_lock)
    event.listen(engine.sync_engine, "invalidate", _give_the_write_lock_back)
    return engine


def is_passing(error: DBAPIError) -> bool:
    """Whether the same statement may succeed in a moment."""
    return error.connection_invalidated or "database is locked" in str(error.orig)


def _set_pragmas(connection: Any, record: object) -> None:  # noqa: ARG001
    cursor = connection.cursor()
    # Readers go on while one process writes; a crash may lose the last writes, never the file.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _take_the_write_lock(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another one wrote in
    # between; one that starts as a writer waits its turn.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        cursor = connection.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OperationalError("BEGIN IMMEDIATE", None, error) from error
        finally:
            cursor.close()


def _give_the_write_lock_back(connection: Any, record: object, exception: object) -> None:  # noqa: ARG001
    # SQLite keeps the locks of a closed connection for as long as one of its statements has rows to give
    # (sqlite3_close_v2), and a cancelled one has, until the garbage collector comes to its cursor.
    with suppress(SQLAlchemyError, sqlite3.Error, asyncio.CancelledError):
        connection.rollback()
