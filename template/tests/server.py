"""A server as a deployment runs it: a process of its own on a real port."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from app.config import Settings
from tests.conftest import ROOT
from tests.ports import free_port

_SECONDS = 90
_CALLERS = 4
_PAUSE = 0.02


@dataclass(frozen=True)
class Server:
    """A running server, where it answers, and what it has logged."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def workers(self) -> list[int]:
        """The process numbers of all that have become ready so far."""
        ready = re.findall(r'^.*"event":"ready".*$', self.log.read_text(), re.MULTILINE)
        return [int(number) for line in ready for number in re.findall(r'"process":(\d+)', line)]

    def client(self) -> httpx2.AsyncClient:
        """A client with a connection for each request, so that every worker gets some."""
        once = httpx2.Limits(max_keepalive_connections=0)
        return httpx2.AsyncClient(base_url=self.url, limits=once, timeout=_SECONDS)

    def listens(self) -> bool:
        """Whether it takes connections, which some servers do only after they have become ready."""
        address = httpx2.URL(self.url)
        with socket.socket() as client:
            return client.connect_ex((address.host, address.port)) == 0

    async def wait_until_ready(self, workers: int) -> None:
        """Wait until so many have become ready. Raises ``AssertionError`` with the log when it ends before."""

        def are_ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return len(self.workers()) >= workers and self.listens()

        await eventually(are_ready)

    async def wait_until_it_ends(self) -> int:
        """Wait for its end. Returns its exit code."""
        await eventually(lambda: self.process.poll() is not None)
        return self.process.returncode


@asynccontextmanager
async def running_server(
    settings: Settings, directory: Path, *, workers: int, application: str = "tests.served:app"
) -> AsyncGenerator[Server]:
    """Start a server with these settings, and stop it at the end. Its log goes to ``directory``."""
    port = free_port()
    facts = settings.model_dump(mode="json", exclude_unset=True, exclude={"secret_key"})
    facts |= {"port": port, "log_format": "json", "log_level": "INFO", "workers": workers}
    environment = {name.upper(): str(value) for name, value in facts.items()}
    program = f"from app.__main__ import main; main({application!r})"
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(process, f"http://127.0.0.1:{port}", log)
    try:
        await server.wait_until_ready(workers)
        yield server
    finally:
        await _stop(process)


async def _stop(process: subprocess.Popen[bytes]) -> None:
    # Not by a kill alone: its workers would outlive it.
    process.terminate()
    try:
        await eventually(lambda: process.poll() is not None)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that nothing tells of. Raises ``TimeoutError`` when it does not come."""
    async with asyncio.timeout(_SECONDS):
        while not condition():
            await asyncio.sleep(0.05)


def is_alive(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def answers_during(server: Server, happening: Awaitable[None]) -> Counter[int]:
    """Let callers ask again and again until something has happened. What they were answered, by status.

    Each request has a connection of its own. One that was closed without an answer is made again, up to
    twice, as proxies do with those that change nothing; where nobody listens, that is a failure.
    """
    answers: Counter[int] = Counter()
    has_happened = False

    async def ask_on(client: httpx2.AsyncClient) -> None:
        while not has_happened:
            answers[await _ask(client)] += 1
            await asyncio.sleep(_PAUSE)

    async with server.client() as client:
        callers = [asyncio.create_task(ask_on(client)) for _ in range(_CALLERS)]
        try:
            await happening
        finally:
            has_happened = True
            await asyncio.gather(*callers)
    return answers


async def _ask(client: httpx2.AsyncClient) -> int:
    for _ in range(2):
        try:
            return (await client.get("/health/live")).status_code
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            await asyncio.sleep(_PAUSE)
    return (await client.get("/health/live")).status_code
