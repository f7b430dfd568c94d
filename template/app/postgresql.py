"""What is particular to PostgreSQL: the engine, its timeouts, and which errors pass."""

from typing import Any

import asyncpg
from sqlalchemy import BigInteger, DateTime, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.capacity import Plan

Identifier = BigInteger
Timestamp = DateTime(timezone=True)

# Seconds. A server that is well ends a statement and a connection within milliseconds; the caller
# whose request has timed out waits for both, and the proxy in front does not wait much longer.
CLOSE_TIMEOUT = 0.5

# https://www.postgresql.org/docs/current/errcodes-appendix.html: too many connections, query
# cancelled (the statement timeout), admin shutdown, crash shutdown, cannot connect now.
_PASSING_STATES = {"53300", "57014", "57P01", "57P02", "57P03"}


class _Connection(asyncpg.Connection):
    """Takes leave of a server that does not answer, instead of waiting for it."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        await super().close(timeout=CLOSE_TIMEOUT)


def create_engine(url: str, plan: Plan, *, application_name: str) -> AsyncEngine:
    """The engine of one process. Its name shows in ``pg_stat_activity``."""
    engine = create_async_engine(
        url,
        pool_size=plan.pool_size,
        max_overflow=plan.max_overflow,
        pool_timeout=plan.pool_timeout,
        pool_recycle=plan.pool_recycle,
        # The connection used last is the warmest; the others may age and be recycled.
        pool_use_lifo=True,
        connect_args={
            "connection_class": _Connection,
            "timeout": plan.pool_timeout,
            "server_settings": {
                "application_name": application_name,
                "statement_timeout": f"{plan.statement_timeout}s",
                # A transaction that its request forgot must not hold locks for ever.
                "idle_in_transaction_session_timeout": f"{plan.request_timeout}s",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_what_is_closed)
    return engine


async def server_connection_limit(connection: AsyncConnection) -> int:
    """The server's real ``max_connections``."""
    limit = await connection.scalar(text("SELECT setting::int FROM pg_settings WHERE name = 'max_connections'"))
    return int(limit or 0)


def is_passing(error: DBAPIError) -> bool:
    """Whether the same statement may succeed in a moment."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _PASSING_STATES


def _refuse_what_is_closed(connection: Any, record: object, proxy: object) -> None:  # noqa: ARG001
    # The server has ended it while it lay in the pool, as a restart does; the pool then makes a new one.
    if connection.driver_connection.is_closed():
        raise DisconnectionError("The server has ended the connection.")
