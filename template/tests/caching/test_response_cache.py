"""Cached routes: what a caller gets from what is kept, and who shares it."""

import gzip

import httpx2
import pytest

from app.caching.request import LONGEST_KEY
from app.config import Settings
from app.slicing import SLICE
from tests.caching.cached_routes import Source
from tests.caching.conftest import Clock
from tests.conftest import authorization


async def test_a_second_request_is_answered_from_the_cache(client: httpx2.AsyncClient, source: Source) -> None:
    first = await client.get("/public")
    second = await client.get("/public")
    assert first.json() == second.json()
    assert source.calls == 1
    assert second.headers["Cache-Control"] == "public, max-age=60"


async def test_a_large_body_is_kept_whole(client: httpx2.AsyncClient, source: Source) -> None:
    source.body = "x" * (SLICE + 1_000)
    first, second = await client.get("/public"), await client.get("/public")
    assert first.content == second.content == f'"1 {source.body}"'.encode()
    assert source.calls == 1


async def test_a_caller_is_told_how_old_a_response_is(client: httpx2.AsyncClient, clock: Clock) -> None:
    assert (await client.get("/public")).headers["Age"] == "0"
    clock.advance(30)
    response = await client.get("/public")
    assert 30 <= int(response.headers["Age"]) < 60
    unchanged = await client.get("/public", headers={"If-None-Match": response.headers["ETag"]})
    assert 30 <= int(unchanged.headers["Age"]) < 60


async def test_a_response_is_not_used_beyond_its_time(client: httpx2.AsyncClient, source: Source, clock: Clock) -> None:
    await client.get("/public")
    clock.advance(61)
    assert (await client.get("/public")).headers["Age"] == "0"
    assert source.calls == 2


@pytest.mark.parametrize("others", ["", '"other"', 'W/"other"', '"with, a comma"', '"with, "'])
async def test_a_copy_that_is_current_is_answered_304(client: httpx2.AsyncClient, source: Source, others: str) -> None:
    etag = (await client.get("/public")).headers["ETag"]
    names = ", ".join(filter(None, (others, etag, others)))
    response = await client.get("/public", headers={"If-None-Match": names})
    assert response.status_code == 304
    assert response.content == b""
    for name in ("ETag", "Cache-Control", "Vary"):
        assert response.headers[name]
    assert "Content-Type" not in response.headers
    assert "Content-Length" not in response.headers
    assert source.calls == 1


async def test_a_weak_and_a_strong_tag_are_the_same_for_a_read(client: httpx2.AsyncClient) -> None:
    etag = (await client.get("/public")).headers["ETag"]
    response = await client.get("/public", headers={"If-None-Match": etag.removeprefix("W/")})
    assert response.status_code == 304


async def test_any_copy_will_do_for_a_caller_who_says_so(client: httpx2.AsyncClient) -> None:
    on_a_miss = await client.get("/public", headers={"If-None-Match": "*"})
    on_a_hit = await client.get("/public", headers={"If-None-Match": "*"})
    assert on_a_miss.status_code == on_a_hit.status_code == 304


async def test_another_copy_is_replaced(client: httpx2.AsyncClient) -> None:
    etag = (await client.get("/public")).headers["ETag"]
    within_another = f'"before, {etag.removeprefix("W/").strip(chr(34))}, after"'
    for header in ('"other"', within_another, etag.removeprefix("W/").strip('"')):
        assert (await client.get("/public", headers={"If-None-Match": header})).status_code == 200


async def test_conditions_in_two_headers_are_read_as_one(client: httpx2.AsyncClient) -> None:
    etag = (await client.get("/public")).headers["ETag"]
    response = await client.get("/public", headers=[("If-None-Match", '"other"'), ("If-None-Match", etag)])
    assert response.status_code == 304


async def test_head_has_the_headers_of_get_and_no_body(client: httpx2.AsyncClient, source: Source) -> None:
    on_a_miss = await client.head("/public")
    on_a_hit = await client.head("/public")
    whole = await client.get("/public")
    assert on_a_miss.status_code == on_a_hit.status_code == 200
    assert on_a_miss.content == on_a_hit.content == b""
    for name in ("Content-Length", "Content-Encoding", "ETag", "Cache-Control", "Vary"):
        assert on_a_miss.headers[name] == on_a_hit.headers[name] == whole.headers[name]
    assert source.calls == 1


@pytest.mark.parametrize("header", [{"Cache-Control": "no-store"}, {"X-Anything": "at all"}])
async def test_head_is_answered_as_get_though_nothing_is_kept(
    client: httpx2.AsyncClient, source: Source, header: dict[str, str]
) -> None:
    source.headers = {"Set-Cookie": "session=secret"}
    response = await client.head("/public", headers=header)
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["Content-Type"] == "application/json"


async def test_the_order_of_parameters_does_not_matter_but_their_values_do(
    client: httpx2.AsyncClient, source: Source
) -> None:
    await client.get("/public?q=1&a=2")
    await client.get("/public?a=2&q=1")
    assert source.calls == 1
    assert (await client.get("/public?q=3")).json().startswith("3")
    assert source.calls == 2


async def test_the_order_of_one_parameters_values_matters(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/public?q=1&q=2")).json().startswith("2")
    assert (await client.get("/public?q=2&q=1")).json().startswith("1")


async def test_a_part_of_a_query_does_not_pose_as_another(client: httpx2.AsyncClient) -> None:
    for query, value in (("q=1%26a%3D2", "1&a=2"), ("q=1&a=2", "1"), ("q=", ""), ("q=%22", '"')):
        text = (await client.get(f"/public?{query}")).json()
        assert text[: len(value)] == value
        assert text[len(value)].isdigit()


async def test_paths_with_parameters_are_kept_apart(client: httpx2.AsyncClient, source: Source) -> None:
    assert (await client.get("/things/1")).json().startswith("1 ")
    assert (await client.get("/things/2")).json().startswith("2 ")
    await client.get("/things/1")
    assert source.calls == 2


@pytest.mark.parametrize("url", [f"/public?q={'x' * LONGEST_KEY}", f"/things/{'x' * LONGEST_KEY}"])
async def test_a_request_that_is_too_long_passes_by(client: httpx2.AsyncClient, source: Source, url: str) -> None:
    for _ in range(2):
        response = await client.get(url)
        assert response.status_code == 200
        assert "Age" not in response.headers
    assert source.calls == 2


async def test_a_declared_header_that_is_too_long_passes_by(client: httpx2.AsyncClient, source: Source) -> None:
    for _ in range(2):
        await client.get("/varying", headers={"Accept-Language": "x" * LONGEST_KEY})
    assert source.calls == 2


async def test_a_route_before_a_cached_pattern_is_not_taken_for_it(
    client: httpx2.AsyncClient, settings: Settings
) -> None:
    response = await client.get("/things/mine", headers=authorization("alice", settings))
    assert response.json() == "alice"
    assert "ETag" not in response.headers
    assert (await client.get("/things/mine")).status_code == 401


async def test_a_declared_header_is_part_of_the_key(client: httpx2.AsyncClient, source: Source) -> None:
    german = await client.get("/varying", headers={"Accept-Language": "de"})
    english = await client.get("/varying", headers={"Accept-Language": "en"})
    assert german.json() != english.json()
    assert "accept-language" in german.headers["Vary"]
    assert (await client.get("/varying", headers={"Accept-Language": "de"})).json() == german.json()
    assert source.calls == 2


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
async def test_each_caller_gets_an_encoding_that_it_accepts(
    client: httpx2.AsyncClient, source: Source, encoding: str
) -> None:
    plain = await client.get("/public", headers={"Accept-Encoding": "identity"})
    async with client.stream("GET", "/public", headers={"Accept-Encoding": encoding}) as response:
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["Content-Encoding"] == encoding
    assert len(raw) < 200
    if encoding == "gzip":
        assert gzip.decompress(raw) == plain.content
    assert source.calls == 1


async def test_each_encoding_has_a_tag_of_its_own(client: httpx2.AsyncClient) -> None:
    plain = await client.get("/public", headers={"Accept-Encoding": "identity"})
    compressed = await client.get("/public", headers={"Accept-Encoding": "gzip"})
    tags = plain.headers["ETag"], compressed.headers["ETag"]
    for encoding, own, other in (("identity", *tags), ("gzip", *reversed(tags))):
        headers = {"Accept-Encoding": encoding, "If-None-Match": other}
        assert (await client.get("/public", headers=headers)).status_code == 200
        headers["If-None-Match"] = own
        unchanged = await client.get("/public", headers=headers)
        assert (unchanged.status_code, unchanged.headers["ETag"]) == (304, own)


async def test_an_encoding_with_weight_zero_is_not_used(client: httpx2.AsyncClient) -> None:
    response = await client.get("/public", headers={"Accept-Encoding": "gzip;q=0, br;q=0.0, zstd;q=0, *;q=0"})
    assert "Content-Encoding" not in response.headers


async def test_each_user_has_responses_of_their_own(
    client: httpx2.AsyncClient, source: Source, settings: Settings
) -> None:
    alice, bob = authorization("alice", settings), authorization("bob", settings)
    assert (await client.get("/own", headers=alice)).json().startswith("alice")
    response = await client.get("/own", headers=bob)
    assert response.json().startswith("bob")
    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert "Authorization" in response.headers["Vary"]
    await client.get("/own", headers=alice)
    assert source.calls == 2


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic YTpi"}])
async def test_without_a_valid_token_a_private_response_is_not_shown(
    client: httpx2.AsyncClient, settings: Settings, header: dict[str, str]
) -> None:
    await client.get("/own", headers=authorization("alice", settings))
    assert (await client.get("/own", headers=header)).status_code == 401
    assert (await client.head("/own", headers=header)).status_code == 401
