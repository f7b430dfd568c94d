"""The table of routes answers as the router alone does."""

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.responses import PlainTextResponse
from starlette.requests import Request
from starlette.types import ASGIApp

from app.routing import route_directly
from tests.conftest import client_of


def _api() -> FastAPI:
    api = FastAPI()
    inner = APIRouter(prefix="/inner")

    @api.get("/things/{number}")
    async def thing(number: int) -> str:
        return f"thing {number}"

    @api.get("/things/new")
    async def shadowed() -> str:
        return "never"

    @api.put("/things/new")
    async def put_new() -> str:
        return "put"

    @api.get("/files/{path:path}")
    async def file(path: str, request: Request) -> str:
        return f"{path} {request.url_for('thing', number=1)}"

    @inner.get("/{name}/end")
    async def inner_end(name: str) -> str:
        return name

    @api.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()

    api.include_router(inner, prefix="/outer")

    @api.get("/{anything}")
    async def anything(anything: str) -> str:
        return f"any {anything}"

    @api.get("/late")
    async def late() -> str:
        return "never"

    api.mount("/mounted", PlainTextResponse("mounted"))
    return api


async def _answer(app: ASGIApp, method: str, path: str) -> tuple[int, str, str | None]:
    async with client_of(app) as client:
        response = await client.request(method, path)
    return response.status_code, response.text, response.headers.get("Allow")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/things/7",
        "/things/seven",
        "/things/new",
        "/things/",
        "/things",
        "/things/7/",
        "/files/a/b",
        "/files/",
        "/outer/inner/x/end",
        "/outer/inner/x",
        "/socket",
        "/late",
        "/mounted/x",
        "/",
        "//",
        "/nowhere/at/all",
        "/openapi.json",
    ],
)
async def test_every_request_gets_the_answer_of_the_router(method: str, path: str) -> None:
    alone, direct = _api(), _api()
    route_directly(direct.router)
    assert await _answer(direct, method, path) == await _answer(alone, method, path)
