"""Reports by a real Celery worker, on the tests' own broker."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from celery import Celery

from app.config import Settings
from app.tasks.reports import build_report
from app.tasks.worker import celery
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def broker(settings: Settings) -> None:
    """Tasks go to the tests' own broker."""
    celery.conf.broker_url = settings.celery_broker_url


@pytest.fixture
def worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker as a deployment runs it."""
    facts = {
        "DATABASE_URL": settings.database_url,
        "CELERY_BROKER_URL": settings.celery_broker_url,
        "TASK_CONCURRENCY": "1",
    }
    process = subprocess.Popen([sys.executable, "-m", "app.tasks"], cwd=ROOT, env={**os.environ, **facts})
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)


@pytest.mark.usefixtures("broker", "worker")
async def test_a_report_is_accepted_and_finished_by_the_worker(client: httpx2.AsyncClient) -> None:
    accepted = await client.post("/reports")
    assert accepted.status_code == 202
    async with asyncio.timeout(30):
        while (report := (await client.get(accepted.headers["Location"])).json())["status"] != "done":
            assert report["status"] in ("pending", "running")
            await asyncio.sleep(0.1)
    assert sum(category["items"] for category in report["result"]) == 50


async def test_without_a_broker_the_caller_is_told_to_come_back(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Celery("elsewhere", broker="redis://127.0.0.1:1/0")
    elsewhere.conf.update(
        task_publish_retry_policy=celery.conf.task_publish_retry_policy,
        broker_transport_options=celery.conf.broker_transport_options,
    )
    monkeypatch.setattr("app.routers.reports.build_report", elsewhere.task(build_report.run, name=build_report.name))
    async with asyncio.timeout(30):
        response = await client.post("/reports")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


def test_a_task_is_acknowledged_when_it_is_done_and_taken_one_at_a_time() -> None:
    assert build_report.name in celery.tasks
    assert celery.conf.task_acks_late
    assert celery.conf.task_reject_on_worker_lost
    assert celery.conf.worker_prefetch_multiplier == 1
    assert celery.conf.task_time_limit < celery.conf.broker_transport_options["visibility_timeout"]
