"""No task is lost: not with its process, not with its worker, not with the broker."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Task

from app.config import Settings
from app.errors import QueueUnavailableError
from app.tasks.dispatch import hand_over
from app.tasks.worker import celery
from tests.probe_worker import WAIT
from tests.relay import Relay
from tests.task_worker import kill, publisher, running_worker, says

pytestmark = pytest.mark.usefixtures("broker")

SECONDS = 2


class Probe:
    """A task of which the test knows how often it has begun, and ended."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    def publish(self, **options: object) -> None:
        celery.send_task(WAIT, (str(self.directory),), **options)

    def go(self) -> None:
        """Let it come to its end."""
        (self.directory / "go").touch()

    @property
    def begun(self) -> list[int]:
        """The processes that have begun it."""
        return self._lines("begun")

    @property
    def done(self) -> list[int]:
        """The processes that have done it."""
        return self._lines("done")

    def _lines(self, name: str) -> list[int]:
        file = self.directory / name
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """A task that waits for the test."""
    return Probe(tmp_path / "probe")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the workers have said."""
    return tmp_path / "log"


@pytest.fixture
async def way(settings: Settings) -> AsyncGenerator[Relay]:
    """A way to the broker that can be cut and frozen."""
    broker = urlsplit(settings.celery_broker_url)
    async with Relay(broker.hostname or "", broker.port or 0) as relay:
        yield relay


def by(way: Relay, settings: Settings) -> Settings:
    """The same settings, with the broker at the end of that way."""
    url = urlsplit(settings.celery_broker_url)
    netloc = url.netloc.replace(f":{url.port}", f":{way.port}")
    return settings.model_copy(update={"celery_broker_url": url._replace(netloc=netloc).geturl()})


def _command(**settings: object) -> tuple[str, ...]:
    return ("tests.probe_worker", json.dumps(settings))


async def test_a_task_whose_process_is_killed_is_done_once_more(settings: Settings, probe: Probe, log: Path) -> None:
    async with running_worker(settings, log, command=_command()):
        probe.publish()
        await _until(lambda: len(probe.begun) == 1)
        os.kill(probe.begun[0], signal.SIGKILL)
        await _until(lambda: len(probe.begun) == 2)
        probe.go()
        await _until(lambda: probe.done)
    assert probe.done == [probe.begun[1]]


async def test_a_task_whose_worker_is_killed_is_done_by_another(settings: Settings, probe: Probe, log: Path) -> None:
    # A broker that cannot see a worker die waits for as long as its longest task.
    options = celery.conf.broker_transport_options | {"visibility_timeout": 1}
    async with running_worker(settings, log, command=_command()) as worker:
        probe.publish()
        await _until(lambda: len(probe.begun) == 1)
        kill(worker)
    probe.go()
    await asyncio.sleep(1)
    async with running_worker(settings, log, command=_command(broker_transport_options=options)):
        await _until(lambda: probe.done)
    assert probe.done == [probe.begun[1]]


async def test_a_stopping_worker_finishes_its_task(settings: Settings, probe: Probe, log: Path) -> None:
    async with running_worker(settings, log, command=_command(worker_soft_shutdown_timeout=5)) as worker:
        probe.publish()
        await _until(lambda: len(probe.begun) == 1)
        worker.terminate()
        await says(log, "Soft Shutdown")
        probe.go()
        assert await asyncio.to_thread(worker.wait, 60) == 0
    assert probe.done == probe.begun


async def test_a_stopping_worker_hands_back_what_it_cannot_finish(settings: Settings, probe: Probe, log: Path) -> None:
    async with running_worker(settings, log, command=_command(worker_soft_shutdown_timeout=0.1)) as worker:
        probe.publish()
        await _until(lambda: len(probe.begun) == 1)
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 60) == 0
    probe.go()
    async with running_worker(settings, log, command=_command()):
        await _until(lambda: probe.done)
    assert probe.done == [probe.begun[1]]


async def test_a_worker_goes_on_when_its_broker_is_back(
    settings: Settings, probe: Probe, log: Path, way: Relay
) -> None:
    async with running_worker(by(way, settings), log, command=_command()):
        await says(log, " ready.")
        await way.cut()
        await says(log, "Cannot connect to")
        await way.open()
        probe.go()
        probe.publish()
        await _until(lambda: probe.done)


async def test_tasks_are_handed_over_again_when_the_broker_is_back(settings: Settings, way: Relay) -> None:
    task = _task(by(way, settings))
    await hand_over(task, timeout=SECONDS)
    await way.cut()
    await _is_refused(task)
    await way.open()
    await hand_over(task, timeout=SECONDS)
    way.freeze()
    await _is_refused(task)
    way.thaw()
    await _is_taken_again(task)


async def test_more_callers_than_threads_are_told_in_time_that_the_broker_hangs(settings: Settings, way: Relay) -> None:
    task = _task(by(way, settings))
    way.freeze()
    async with asyncio.timeout(10 * SECONDS):
        await asyncio.gather(*(_is_refused(task) for _ in range(5 * settings.plan.thread_limit)))
    way.thaw()
    await _is_taken_again(task)


def _task(settings: Settings) -> Task:
    app = publisher(settings.celery_broker_url)
    return app.task(_nothing, shared=False, name="probe.nothing", expires=1)


def _nothing() -> None:
    pass


async def _is_refused(task: Task) -> None:
    with pytest.raises(QueueUnavailableError):
        await hand_over(task, timeout=SECONDS)


async def _is_taken_again(task: Task) -> None:
    # Threads that still wait for the old connections come first.
    async with asyncio.timeout(60):
        while True:
            try:
                return await hand_over(task, timeout=SECONDS)
            except QueueUnavailableError:
                continue


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)
