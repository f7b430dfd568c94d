"""Who is taken for the caller, by who connects and what he says."""

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.proxies import ForwardedHeaders
from tests.conftest import client_of


async def _tell(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    assert request.client
    await PlainTextResponse(f"{request.url.scheme} {request.client.host}")(scope, receive, send)


@pytest.mark.parametrize(
    ("trusted", "forwarded", "caller"),
    [
        ("127.0.0.1", "192.0.2.7", "https 192.0.2.7"),
        ("10.0.0.1, 127.0.0.0/8", "192.0.2.7, 10.0.0.1", "https 192.0.2.7"),
        ("127.0.0.1", "10.9.9.9, 192.0.2.7", "https 192.0.2.7"),
        ("127.0.0.1", "127.0.0.1", "https 127.0.0.1"),
        ("127.0.0.1", "nonsense", "https nonsense"),
        ("127.0.0.1", "", "https 127.0.0.1"),
        ("*", "192.0.2.7, 10.0.0.1", "https 192.0.2.7"),
        ("192.0.2.1", "192.0.2.7", "http 127.0.0.1"),
        ("", "192.0.2.7", "http 127.0.0.1"),
    ],
)
async def test_only_a_trusted_proxy_is_believed(trusted: str, forwarded: str, caller: str) -> None:
    async with client_of(ForwardedHeaders(_tell, trusted=trusted)) as client:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
        assert (await client.get("/", headers=headers)).text == caller


async def test_without_the_headers_it_is_who_connects() -> None:
    async with client_of(ForwardedHeaders(_tell, trusted="*")) as client:
        assert (await client.get("/")).text == "http 127.0.0.1"
