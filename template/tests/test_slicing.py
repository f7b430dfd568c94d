"""Large bodies leave room for other requests, and arrive whole."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Send
from starlette_compress import CompressMiddleware

from app.slicing import SLICE, Slicing
from tests.conftest import client_of

LARGE = b"".join(b'{"number": %d}' % number for number in range(400_000))[:5_000_000]


async def _large(_: Request) -> Response:
    return Response(LARGE, media_type="application/json")


async def _sized(request: Request) -> Response:
    return Response(LARGE[: request.path_params["size"]], media_type="application/json")


@pytest.fixture
def app() -> ASGIApp:
    """An application behind the middlewares that every body passes."""
    routes = [Route("/large", _large), Route("/sized/{size:int}", _sized)]
    return CompressMiddleware(Slicing(Starlette(routes=routes)), zstd_level=3, brotli_quality=1, gzip_level=1)


@pytest.fixture
async def client(app: ASGIApp) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.mark.parametrize("encoding", ["identity", "zstd", "br", "gzip"])
async def test_another_request_is_answered_while_a_large_body_is_sent(app: ASGIApp, encoding: str) -> None:
    has_begun = asyncio.Event()

    async def note(message: Message) -> None:
        if message["type"] == "http.response.start":
            has_begun.set()

    async def nothing(_: Message) -> None:
        pass

    large = asyncio.create_task(_ask(app, "/large", encoding, note))
    await has_begun.wait()
    await _ask(app, "/sized/10", encoding, nothing)
    assert not large.done()
    await large


async def _ask(app: ASGIApp, path: str, encoding: str, send: Send) -> None:
    headers = [(b"accept-encoding", encoding.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
    await app(scope, _receive, send)


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize("size", [0, 1, SLICE, SLICE + 1, 2 * SLICE, 5_000_000])
async def test_a_body_arrives_whole_with_its_length(client: httpx2.AsyncClient, size: int) -> None:
    response = await client.get(f"/sized/{size}", headers={"Accept-Encoding": "identity"})
    assert response.content == LARGE[:size]
    assert response.headers["Content-Length"] == str(size)


@pytest.mark.parametrize("size", [SLICE, SLICE + 1, 5_000_000])
async def test_a_body_is_compressed_whole(client: httpx2.AsyncClient, size: int) -> None:
    response = await client.get(f"/sized/{size}", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.content == LARGE[:size]


async def test_the_length_of_a_body_is_told_without_it(client: httpx2.AsyncClient) -> None:
    response = await client.head("/sized/5000000", headers={"Accept-Encoding": "identity"})
    assert response.headers["Content-Length"] == "5000000"
