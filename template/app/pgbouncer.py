"""What PgBouncer in transaction mode asks of a client.

Each transaction runs on whichever connection to PostgreSQL is free. So nothing that a client says to
its session holds for what it says next: no prepared statement, no ``SET``, no advisory lock, no
``LISTEN``. What every session needs is set by PgBouncer: see ``connect_query`` in deploy/pgbouncer.ini.
"""

from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

# What the driver says of a value that it cannot send; the first may also be the server's.
_MISTAKES = (asyncpg.DataError, asyncpg.InterfaceError)

# Nothing is prepared for later: a statement without a name is replaced by the next one on the same
# connection, so that none is left behind there, and none is missed on another.
TRANSACTION_MODE: dict[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}


class PooledConnection(asyncpg.Connection):
    """A client of PgBouncer, which lets go of its connection to PostgreSQL after each statement."""

    async def fetch(self, *arguments: Any, **options: Any) -> list[Any]:
        """The rows of a statement."""
        try:
            return await super().fetch(*arguments, **options)
        except _MISTAKES:
            await let_go(self)
            raise


def let_go_after_mistakes(engine: AsyncEngine) -> None:
    """Do for SQLAlchemy's statements what :class:`PooledConnection` does for its own."""
    event.listen(engine.sync_engine, "handle_error", _after_a_mistake)


async def let_go(connection: Any) -> None:
    """End what was begun with PostgreSQL and given up in the driver.

    A value that the driver cannot send is noticed when the statement is already parsed; PgBouncer
    would keep its connection for the rest until the client says something else.
    """
    if not connection.is_closed():
        await connection.execute("SELECT 1")


def _after_a_mistake(context: ExceptionContext) -> None:
    cause = context.original_exception.__cause__
    if context.connection is not None and isinstance(cause, _MISTAKES):
        await_only(let_go(context.connection.connection.driver_connection))
