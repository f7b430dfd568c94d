"""Offers: two real services on loopback, asked at the same time."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from app.config import Settings
from app.main import create_service
from tests.conftest import client_of, running

Answer = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def _upstream(answer: Answer) -> AsyncGenerator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(await answer())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def _answer(body: object, *, status: str = "200 OK", seconds: float = 0) -> Answer:
    async def answer() -> bytes:
        await asyncio.sleep(seconds)
        content = json.dumps(body).encode()
        return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(content), content)

    return answer


async def _offers(settings: Settings, price_url: str | None, stock_url: str | None) -> dict[str, object]:
    urls = {"price_service_url": price_url, "stock_service_url": stock_url}
    service = create_service(settings.model_copy(update=urls))
    async with running(service), client_of(service) as client:
        item = (await client.get("/items?limit=1")).json()["items"][0]["id"]
        response = await client.get(f"/items/{item}/offers")
        assert response.status_code == 200
        return response.json()


@pytest.mark.usefixtures("seeded")
async def test_both_are_asked_at_the_same_time(settings: Settings) -> None:
    both_are_asked = asyncio.Barrier(2)

    async def price_answer() -> bytes:
        await both_are_asked.wait()
        return await _answer({"cents": 5})()

    async def stock_answer() -> bytes:
        await both_are_asked.wait()
        return await _answer({"left": 2})()

    patient = settings.model_copy(update={"upstream_timeout": 10})
    async with _upstream(price_answer) as price, _upstream(stock_answer) as stock:
        offers = await _offers(patient, price, stock)
    assert offers["price"] == {"cents": 5}
    assert offers["stock"] == {"left": 2}
    assert offers["unavailable"] == []


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    "answer", [_answer({}, status="500 Oops"), _answer([]), _answer({}, seconds=10)], ids=["error", "nonsense", "late"]
)
async def test_when_one_fails_the_other_is_still_shown(settings: Settings, answer: Answer) -> None:
    # Long enough for the one that answers at once, on a busy machine too.
    brief = settings.model_copy(update={"upstream_timeout": 1})
    async with _upstream(_answer({"cents": 5})) as price, _upstream(answer) as stock:
        offers = await _offers(brief, price, stock)
    assert offers["price"] == {"cents": 5}
    assert offers["stock"] is None
    assert offers["unavailable"] == ["stock"]


@pytest.mark.usefixtures("seeded")
async def test_a_service_that_is_not_there_is_named(settings: Settings) -> None:
    offers = await _offers(settings, "http://127.0.0.1:1", None)
    assert offers["unavailable"] == ["price", "stock"]
