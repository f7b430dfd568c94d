"""Caches of others, by RFC 9111: what they store of a service's responses, and how they ask again.

The counterpart is hishel, a client's cache that is written after the RFC.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic, sleep

import httpx2
import pytest
from hishel import CacheOptions, CacheStatus, SqliteStorage
from hishel.httpx2 import CacheTransport

from rendered import render
from servers import free_port

Connect = Callable[[CacheOptions], httpx2.Client]


@dataclass
class Running:
    """A service that answers, and where its files are."""

    url: str
    directory: Path


@pytest.fixture(scope="module", params=["memory", "none"])
def running(
    request: pytest.FixtureRequest, services: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Running]:
    """A service with a cache of its own, or without."""
    directory = tmp_path_factory.mktemp("service")
    render(services.parent / "template", directory, {"cache_backend": request.param})
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "LOG_LEVEL": "ERROR"}
    for command in (["-m", "alembic", "upgrade", "head"], ["-m", "load.seed", "--items", "100"]):
        subprocess.run([sys.executable, *command], cwd=directory, env=environment, capture_output=True, check=True)
    with subprocess.Popen([sys.executable, "-m", "app"], cwd=directory, env=environment) as process:
        try:
            _wait_until_live(f"http://127.0.0.1:{port}")
            yield Running(f"http://127.0.0.1:{port}", directory)
        finally:
            process.terminate()


@pytest.fixture
def connect(running: Running, tmp_path: Path) -> Generator[Connect]:
    """Clients behind caches of their own."""
    numbers = count()
    with ExitStack() as stack:

        def client(options: CacheOptions) -> httpx2.Client:
            storage = SqliteStorage(database_path=tmp_path / f"client-{next(numbers)}.db")
            stack.callback(storage.close)
            transport = CacheTransport(httpx2.HTTPTransport(), storage=storage, rfc=options)
            return stack.enter_context(httpx2.Client(transport=transport, base_url=running.url, timeout=60))

        yield client


SHARED, PRIVATE = CacheOptions(shared=True), CacheOptions(shared=False)


@pytest.mark.parametrize("options", [SHARED, PRIVATE], ids=["shared", "private"])
def test_a_public_response_is_stored_and_not_asked_for_while_it_is_fresh(
    connect: Connect, options: CacheOptions
) -> None:
    client = connect(options)
    first, second = client.get("/items/popular"), client.get("/items/popular")
    assert _status(first)["stored"]
    assert _status(second)["from_cache"]
    assert not _status(second)["revalidated"]
    assert second.json() == first.json()
    assert len(first.json()) == 20


def test_what_is_stored_is_found_current_by_its_etag(connect: Connect) -> None:
    client = connect(SHARED)
    first = client.get("/items/popular")
    second = client.get("/items/popular", headers={"Cache-Control": "no-cache"})
    assert _status(second)["revalidated"]
    assert second.json() == first.json()


def test_an_item_is_asked_about_each_time_and_a_change_shows_at_once(connect: Connect) -> None:
    client = connect(PRIVATE)
    item = client.get("/items/popular").json()[0]
    path = f"/items/{item['id']}"
    client.get(path)
    assert _status(client.get(path))["revalidated"]
    client.patch(path, json={"price_cents": item["price_cents"] + 1})
    assert client.get(path).json()["price_cents"] == item["price_cents"] + 1


def test_what_belongs_to_a_user_is_stored_by_their_own_client_alone(connect: Connect, running: Running) -> None:
    command = [sys.executable, "-m", "app.security", "alice"]
    token = subprocess.check_output(command, cwd=running.directory, text=True).strip()
    headers = {"Authorization": f"Bearer {token}"}
    shared, private = connect(SHARED), connect(PRIVATE)
    for _ in range(2):
        assert not _status(shared.get("/me/dashboard", headers=headers))["stored"]
    assert _status(private.get("/me/dashboard", headers=headers))["stored"]
    assert _status(private.get("/me/dashboard", headers=headers))["from_cache"]
    assert private.get("/me/dashboard").status_code == 401


@pytest.mark.parametrize(
    "path", ["/items?limit=5", "/categories", "/health", "/items/999999", "/items/popular?limit=0"]
)
def test_what_says_nothing_of_caching_is_stored_by_nobody(connect: Connect, path: str) -> None:
    client = connect(PRIVATE)
    for _ in range(2):
        response = client.get(path)
        assert not _status(response)["stored"]
        assert not _status(response)["from_cache"]


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_compressed_response_is_stored_as_it_came(connect: Connect, encoding: str) -> None:
    client = connect(SHARED)
    first, second = (client.get("/items/popular", headers={"Accept-Encoding": encoding}) for _ in range(2))
    assert _status(second)["from_cache"]
    assert second.headers["Content-Encoding"] == encoding
    assert second.json() == first.json()


def _status(response: httpx2.Response) -> CacheStatus:
    return response.extensions["caching"]


def _wait_until_live(url: str) -> None:
    until = monotonic() + 60
    while True:
        try:
            httpx2.get(f"{url}/health/live").raise_for_status()
        except httpx2.TransportError:
            if monotonic() > until:
                raise
            sleep(0.05)
        else:
            return
