"""A store that does not answer is waited for briefly, and then left alone for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import structlog

from app.caching.store import StoreUnavailableError

_log = structlog.get_logger()

T = TypeVar("T")

# After a failure the store is left alone for this long, so that each request does not wait for it.
_REST_SECONDS = 1.0


class CircuitBreaker:
    """Waits at most ``timeout`` seconds for an answer; ``error`` is what the store's client raises.

    An outage is logged when it begins and when it ends.
    """

    def __init__(self, *, timeout: float, error: type[Exception]) -> None:
        self._timeout = timeout
        self._errors = (error, OSError, TimeoutError)
        self._resting_until = 0.0
        self._is_out = False

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer. Raises :class:`StoreUnavailableError`, and at once when another one has just failed."""
        if monotonic() < self._resting_until:
            raise StoreUnavailableError("The store failed a moment ago.")
        return await self.insist(question)

    async def insist(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to what has to be asked, whatever has just failed. Raises the same."""
        try:
            async with asyncio.timeout(self._timeout):
                answer = await question()
        except self._errors as error:
            self._resting_until = monotonic() + _REST_SECONDS
            if not self._is_out:
                self._is_out = True
                _log.warning("the cache does not answer", error=repr(error))
            raise StoreUnavailableError(f"The store did not answer: {error!r}") from error
        if self._is_out:
            self._is_out = False
            _log.info("the cache answers again")
        return answer
