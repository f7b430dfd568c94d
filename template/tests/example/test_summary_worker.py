"""Summaries refreshed by a real Celery worker, which starts the task itself."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from app.config import Settings
from app.database import Database
from app.main import Service
from app.services.summaries import largest_categories
from app.tasks import worker as tasks
from app.tasks.summaries import refresh
from load.seed import seed
from tests.task_worker import running_worker


@pytest.fixture
async def worker(settings: Settings, tmp_path: Path) -> AsyncGenerator[None]:
    """A worker as a deployment runs it, with a short period."""
    log = tmp_path / "log"
    async with running_worker(settings, log, SUMMARY_PERIOD="1") as process:
        yield
    assert process.returncode == 0, log.read_text()


async def _becomes(number: int, database: Database) -> None:
    async with asyncio.timeout(60):
        while True:
            summaries = await largest_categories(database, limit=100)
            if sum(entry.items for entry in summaries) == number:
                return
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("broker", "worker")
async def test_a_worker_refreshes_the_summaries_by_itself(seeded: Service) -> None:
    await _becomes(50, seeded.resources.database)
    await seed(seeded.resources.database, categories=3, items=10)
    await _becomes(60, seeded.resources.database)


def test_the_task_is_started_twice_in_a_period_and_does_not_pile_up() -> None:
    entry = tasks.celery.conf.beat_schedule["summaries"]
    assert entry["task"] == refresh.name
    assert entry["schedule"] == tasks.settings.summary_period / 2 == entry["options"]["expires"]
