"""Cached routes: what clients and CDNs are told, and when they are spared the body."""

from collections.abc import AsyncGenerator

import httpx2
import pytest
from fastapi import APIRouter, HTTPException
from starlette_compress import CompressMiddleware

from app.caching import cached
from app.caching.http_cache import HttpCache
from app.config import Settings
from app.dependencies import CurrentUser
from app.main import Service
from tests.conftest import authorization, client_of


@pytest.fixture
async def client(service: Service) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a service with cached routes of its own."""
    router = APIRouter()

    @router.get("/public")
    @cached(expire=60, stale_while_revalidate=30, vary=("Accept-Language",), private=False)
    async def public() -> str:
        return "the same each time"

    @router.get("/long")
    @cached(expire=60, private=False)
    async def long() -> str:
        return "x" * 10_000

    @router.get("/failing")
    @cached(expire=60, private=False)
    async def failing() -> str:
        raise HTTPException(404)

    @router.get("/own")
    @cached(expire=60)
    async def own(user: CurrentUser) -> str:
        return user

    service.api.include_router(router)
    async with client_of(CompressMiddleware(HttpCache(service.api, routes=service.api.routes))) as client:
        yield client


async def test_clients_are_told_how_long_a_response_may_be_kept(client: httpx2.AsyncClient) -> None:
    response = await client.get("/public")
    assert response.headers["Cache-Control"] == "public, max-age=60, stale-while-revalidate=30"
    assert response.headers["Vary"] == "Accept-Encoding, accept-language"


async def test_a_copy_that_is_current_is_answered_304(client: httpx2.AsyncClient) -> None:
    etag = (await client.get("/public")).headers["ETag"]
    response = await client.get("/public", headers={"If-None-Match": f'"other", {etag}'})
    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["ETag"] == etag


async def test_another_copy_is_replaced(client: httpx2.AsyncClient) -> None:
    response = await client.get("/public", headers={"If-None-Match": '"other"'})
    assert response.json() == "the same each time"


async def test_head_has_the_headers_of_get_and_no_body(client: httpx2.AsyncClient) -> None:
    response = await client.head("/public")
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["Content-Length"] == str(len('"the same each time"'))


async def test_a_compressed_response_has_the_etag_of_its_body(client: httpx2.AsyncClient) -> None:
    plain = await client.get("/long", headers={"Accept-Encoding": "identity"})
    packed = await client.get("/long", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] == plain.headers["ETag"]
    assert packed.json() == plain.json()
    assert (await client.head("/long", headers={"Accept-Encoding": "gzip"})).status_code == 200


async def test_an_error_is_not_to_be_kept(client: httpx2.AsyncClient) -> None:
    response = await client.get("/failing")
    assert response.status_code == 404
    assert "ETag" not in response.headers
    assert "Cache-Control" not in response.headers


async def test_what_belongs_to_a_user_is_private(client: httpx2.AsyncClient, settings: Settings) -> None:
    response = await client.get("/own", headers=authorization("alice", settings))
    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert "Authorization" in response.headers["Vary"]
    assert (await client.get("/own")).status_code == 401
