"""Fixtures: a service with cached routes, and a clock that the tests put forward."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import time

import httpx2
import pytest

from app.main import Service
from tests.caching.cached_routes import Source, cache_in_front_of, routes_of
from tests.conftest import client_of


class Clock:
    """What the cache takes for the time."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let everything that is kept grow older."""
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every part of the cache."""
    clock = Clock()
    parts = [module for name, module in sys.modules.items() if name.startswith("app.caching.")]
    for part in parts:
        if getattr(part, "time", None) is time:
            monkeypatch.setattr(part, "time", clock)
    return clock


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def client(service: Service, source: Source) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a service with cached routes of its own."""
    service.api.include_router(routes_of(source))
    async with waiting_for_tasks(), client_of(cache_in_front_of(service, service.resources.store)) as client:
        yield client


@asynccontextmanager
async def waiting_for_tasks() -> AsyncGenerator[None]:
    """Wait at the end for what was begun within, so that nothing uses what is closed next."""
    before = asyncio.all_tasks()
    yield
    begun = asyncio.all_tasks() - before - {asyncio.current_task()}
    async with asyncio.timeout(60):
        await asyncio.gather(*begun, return_exceptions=True)
