"""A task worker as a deployment runs it, and a publisher at the end of another way to the broker."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from celery import Celery

from app.config import Settings
from app.tasks.worker import celery
from tests.conftest import ROOT

_STOP_SECONDS = 60


@asynccontextmanager
async def running_worker(
    settings: Settings, log: Path, *, command: tuple[str, ...] = ("app.tasks",), **facts: str
) -> AsyncGenerator[subprocess.Popen[bytes]]:
    """A worker with one process for tasks, that waits briefly; stopped at the end."""
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "CELERY_BROKER_URL": settings.celery_broker_url,
        "TASK_CONCURRENCY": "1",
        "GRACE_PERIOD": "10",
        "LOG_LEVEL": "INFO",
        **facts,
    }
    process = await asyncio.to_thread(_start, command, environment, log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        finally:
            kill(process)


def kill(worker: subprocess.Popen[bytes]) -> None:
    """End a worker and all its processes at once, as the loss of its machine does."""
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)


async def says(log: Path, words: str, *, times: int = 1) -> None:
    """Wait for words in a worker's log. Raises ``TimeoutError`` when they do not come."""
    async with asyncio.timeout(60):
        while _count(words, log) < times:
            await asyncio.sleep(0.05)


def publisher(url: str) -> Celery:
    """An application with the settings of the service's own, and another way to the broker."""
    app = Celery("publisher", broker=url)
    app.conf.update({**celery.conf.table(with_defaults=False), "broker_url": url, "include": ()})
    return app


def _count(words: str, log: Path) -> int:
    return log.read_text().count(words)


def _start(command: tuple[str, ...], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
