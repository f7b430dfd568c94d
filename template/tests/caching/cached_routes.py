"""Cached routes for the tests, and what they compute from."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from app.caching import cached
from app.caching.response_cache import ResponseCache
from app.caching.single_flight import SingleFlight
from app.caching.store import Store
from app.dependencies import CurrentUser
from app.main import Service
from app.security import caller_of
from app.slicing import Slicing

BODY_LIMIT = 100_000


class Source:
    """What the routes under test compute from, and how often they did."""

    def __init__(self) -> None:
        self.calls = 0
        self.body = "x" * 1000
        self.headers: dict[str, str] = {}
        self.error: Exception | None = None
        self.started = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.may_finish.set()

    async def compute(self) -> str:
        self.calls += 1
        number = self.calls
        self.started.set()
        await self.may_finish.wait()
        if self.error is not None:
            raise self.error
        return f"{number} {self.body}"


def cache_in_front_of(service: Service, store: Store, *, lock_timeout: float = 5) -> ResponseCache:
    """The cache of one process, on a store of its own or a shared one."""
    return ResponseCache(
        SingleFlight(Slicing(service.api), store=store, body_limit=BODY_LIMIT, lock_timeout=lock_timeout),
        routes=service.api.routes,
        store=store,
        identify=lambda authorization: caller_of(authorization, service.resources.settings),
    )


def routes_of(source: Source) -> APIRouter:
    """Routes of each kind, cached for a minute."""
    router = APIRouter()

    @router.get("/public")
    @cached(expire=60, tags=("things",), private=False)
    async def public(response: Response, q: str = "") -> str:
        response.headers.update(source.headers)
        return q + await source.compute()

    @router.get("/stale")
    @cached(expire=60, stale_while_revalidate=60, tags=("things",), private=False)
    async def stale() -> str:
        return await source.compute()

    @router.get("/varying")
    @cached(expire=60, vary=("Accept-Language",), private=False)
    async def varying(response: Response, accept_language: Annotated[str, Header()] = "") -> str:
        response.headers["Vary"] = "Accept-Language"
        return accept_language + await source.compute()

    @router.get("/streamed")
    @cached(expire=60, private=False)
    async def streamed() -> StreamingResponse:
        text = await source.compute()
        return StreamingResponse(iter([text[:10], text[10:], ""]), headers=source.headers)

    @router.get("/own")
    @cached(expire=60)
    async def own(user: CurrentUser) -> str:
        return user + await source.compute()

    @router.get("/undeclared")
    async def undeclared() -> str:
        return await source.compute()

    @router.get("/things/mine")
    async def mine(user: CurrentUser) -> str:
        return user

    @router.get("/things/{number:path}")
    @cached(expire=60, tags=("things",), private=False)
    async def thing(number: str) -> str:
        return f"{number} {await source.compute()}"

    @router.get("/numbers/{number}")
    @cached(expire=60, private=False)
    async def by_number(number: int) -> int:
        return number

    return router
