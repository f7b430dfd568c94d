"""Which responses are kept: RFC 9111, section 3, and what a service does not leave to its routes."""

import httpx2
import pytest
from fastapi import HTTPException

from app.caching import cached
from app.caching.policy import LONGEST
from app.config import Settings
from app.main import Service
from tests.caching.cached_routes import BODY_LIMIT, Source, cache_in_front_of
from tests.conftest import authorization, client_of


@pytest.mark.parametrize("status", [401, 404, 410, 500, 503])
async def test_an_error_is_not_kept(client: httpx2.AsyncClient, source: Source, status: int) -> None:
    source.error = HTTPException(status)
    response = await client.get("/public")
    assert response.status_code == status
    assert "ETag" not in response.headers
    assert "Cache-Control" not in response.headers
    source.error = None
    assert (await client.get("/public")).status_code == 200
    assert source.calls == 2


async def test_an_unhandled_error_is_a_500_and_is_not_kept(client: httpx2.AsyncClient, source: Source) -> None:
    source.error = RuntimeError("broken")
    assert (await client.get("/public")).status_code == 500
    source.error = None
    assert (await client.get("/public")).status_code == 200


async def test_a_request_that_is_not_valid_is_still_refused(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/numbers/one")).status_code == 422
    assert (await client.get("/numbers/1")).json() == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Set-Cookie", "session=secret"),
        ("Cache-Control", "no-store"),
        ("Cache-Control", "public, max-age=5"),
        ("Content-Encoding", "br"),
        ("Vary", "*"),
        ("Vary", "Accept-Language"),
        ("Vary", "Accept-Encoding, User-Agent"),
    ],
)
async def test_a_response_that_speaks_for_itself_or_to_one_caller_is_sent_and_not_kept(
    client: httpx2.AsyncClient, source: Source, name: str, value: str
) -> None:
    source.headers = {name: value}
    for _ in range(2):
        async with client.stream("GET", "/streamed") as response:
            body = b"".join([chunk async for chunk in response.aiter_raw()])
        assert body.endswith(source.body.encode())
        assert value in response.headers[name]
        assert "Age" not in response.headers
    assert source.calls == 2


async def test_a_response_that_varies_on_what_is_declared_is_kept(client: httpx2.AsyncClient, source: Source) -> None:
    for _ in range(2):
        await client.get("/varying", headers={"Accept-Language": "de"})
    source.headers = {"Vary": "accept-ENCODING"}
    for _ in range(2):
        await client.get("/public")
    assert source.calls == 2


async def test_a_streamed_response_is_kept_whole(client: httpx2.AsyncClient, source: Source) -> None:
    first = await client.get("/streamed")
    assert (await client.get("/streamed")).text == first.text == f"1 {source.body}"
    assert source.calls == 1


@pytest.mark.parametrize("path", ["/public", "/streamed"])
async def test_a_body_over_the_limit_is_sent_but_not_kept(
    client: httpx2.AsyncClient, source: Source, path: str
) -> None:
    source.body = "x" * BODY_LIMIT
    for _ in range(2):
        assert len((await client.get(path)).content) > BODY_LIMIT
    assert source.calls == 2


async def test_a_route_that_declares_nothing_is_not_kept_with_credentials_or_without(
    client: httpx2.AsyncClient, source: Source, settings: Settings
) -> None:
    for headers in ({}, {}, authorization("alice", settings), authorization("alice", settings)):
        response = await client.get("/undeclared", headers=headers)
        assert "ETag" not in response.headers
    assert source.calls == 4


async def test_a_private_response_is_kept_for_nobody_without_a_valid_token(
    service: Service, client: httpx2.AsyncClient
) -> None:
    for _ in range(2):
        await client.get("/own", headers={"Authorization": "Bearer forged"})
        response = await client.get("/own", headers={"Cache-Control": "only-if-cached"})
        assert response.status_code == 401
    async with client_of(cache_in_front_of(service, service.resources.store)) as another:
        assert (await another.get("/own")).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_only_reads_are_answered_from_what_is_kept(client: httpx2.AsyncClient, method: str) -> None:
    await client.get("/public")
    assert (await client.request(method, "/public")).status_code == 405


@pytest.mark.parametrize(("expire", "stale"), [(LONGEST + 1, 0), (LONGEST, 1), (0, 0), (-1, 0)])
def test_nothing_may_be_kept_for_more_than_a_day_or_for_no_time(expire: int, stale: int) -> None:
    with pytest.raises(ValueError, match="A response is kept for 1 to 86400 seconds"):
        cached(expire=expire, stale_while_revalidate=stale)


def test_a_response_may_be_kept_for_a_day() -> None:
    cached(expire=LONGEST)
