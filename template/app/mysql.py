"""What is particular to MySQL and MariaDB: the engine, its timeouts, and which errors pass."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from asyncmy import connection as asyncmy
from asyncmy.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from sqlalchemy import BigInteger, Connection, Dialect, Table, event, text
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from app.capacity import Plan

Identifier = BigInteger

# Compares text by code point, on every server: others take "Alice" for "alice", each server in its own way.
COLLATION = "utf8mb4_bin"

# Begins a transaction on a connection that otherwise commits each statement.
BEGIN = "BEGIN"

# Seconds. A server that is well ends a connection within milliseconds; the caller whose request has
# timed out waits for it, and the proxy in front does not wait much longer.
CLOSE_TIMEOUT = 0.5

# https://mariadb.com/docs/server/reference/error-codes and
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html: too many connections, of
# all and of this account; shutdown; lock wait timeout, deadlock; interrupted; killed; and the
# statement timeouts of MariaDB and of MySQL.
_PASSING_ERRORS = {1040, 1203, 1226, 1053, 1205, 1213, 1317, 1927, 1969, 3024}


class Timestamp(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond. The server stores it without a zone."""

    impl = DATETIME(fsp=6)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class _Connection(asyncmy.Connection):
    """Ends only a transaction that there is, and takes leave of a server that does not answer."""

    # What the driver's stubs leave out.
    server_status: int
    server_version: str
    _stream_broken: bool
    _transport: asyncio.Transport | None

    @property
    def is_closed(self) -> bool:
        """Whether the server has ended it, as far as this side knows."""
        return not self.connected or self._stream_broken

    async def commit(self) -> None:
        if self._is_in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        # SQLAlchemy ends each use of a connection with one: for a read, a round trip for nothing.
        if self._is_in_transaction:
            await super().rollback()

    async def ensure_closed(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await super().ensure_closed()
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()
            self.close()

    @property
    def _is_in_transaction(self) -> bool:
        return bool(self.server_status & SERVER_STATUS_IN_TRANS)


def create_engine(url: str, plan: Plan, *, application_name: str) -> AsyncEngine:
    """The engine of one process. Its name shows in ``performance_schema.session_connect_attrs``."""

    async def connect(**arguments: Any) -> _Connection:
        connection = _Connection(**arguments, autocommit=True, program_name=application_name)
        async with asyncio.timeout(plan.pool_timeout):
            await connection.connect()
            for statement in session_settings(plan, is_mariadb="MariaDB" in connection.server_version):
                await connection.query(statement)
        return connection

    engine = create_async_engine(
        url,
        pool_size=plan.pool_size,
        max_overflow=plan.max_overflow,
        pool_timeout=plan.pool_timeout,
        pool_recycle=plan.pool_recycle,
        # The connection used last is the warmest; the others may age and be recycled.
        pool_use_lifo=True,
        # Connections stay in autocommit; a transaction begins and ends by statements of its own. To
        # change the mode for each would take more round trips than that.
        isolation_level="AUTOCOMMIT",
        connect_args={"async_creator_fn": connect},
    )
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "checkout", _refuse_what_is_closed)
    return engine


async def server_connection_limit(connection: AsyncConnection) -> int:
    """The server's real ``max_connections``."""
    return int(await connection.scalar(text("SELECT @@global.max_connections")) or 0)


async def own_connection_limit(connection: AsyncConnection) -> int | None:
    """What the server leaves to this account; None where it does not bound it."""
    return int(await connection.scalar(text("SELECT @@session.max_user_connections")) or 0) or None


def is_passing(error: DBAPIError) -> bool:
    """Whether the same statement may succeed in a moment."""
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return error.connection_invalidated or number in _PASSING_ERRORS


def session_settings(plan: Plan, *, is_mariadb: bool) -> tuple[str, ...]:
    """What each connection says first. The two servers bound a statement by different variables."""
    if is_mariadb:
        # Seconds. A transaction that its request forgot must not hold locks for ever.
        limits = f"max_statement_time = {plan.statement_timeout}, idle_transaction_timeout = {plan.request_timeout}"
    else:
        # Milliseconds, and for SELECT only: what else may take long is the wait for a lock.
        limits = f"max_execution_time = {plan.statement_timeout * 1_000}"
    return (
        # A statement sees what is committed by then, and a change locks no rows but those that it finds.
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        f"SET {limits},"
        # The waits for a row, and for a table that a migration holds.
        f" innodb_lock_wait_timeout = {plan.statement_timeout}, lock_wait_timeout = {plan.statement_timeout},"
        # Longer than the pool keeps a connection, whatever the server's own setting.
        f" wait_timeout = {2 * plan.pool_recycle},"
        # A value that does not fit is refused, not cut to size.
        " sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY', time_zone = '+00:00'",
    )


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql(BEGIN)


def _refuse_what_is_closed(connection: Any, record: object, proxy: object) -> None:  # noqa: ARG001
    # The server has ended it while it lay in the pool, as a restart does; the pool then makes a new one.
    if connection.driver_connection.is_closed:
        raise DisconnectionError("The server has ended the connection.")


@event.listens_for(Table, "before_create")
def _choose_collation(table: Table, connection: Connection, **_: Any) -> None:  # noqa: ARG001
    # Also of the tables that migrations create; the database's own default is anybody's.
    table.dialect_kwargs.setdefault("mysql_charset", "utf8mb4")
    table.dialect_kwargs.setdefault("mysql_collate", COLLATION)
