"""What becomes of a task that fails: tried again later, or given up."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from celery import Task
from celery.exceptions import Reject, Retry
from celery.signals import worker_process_init, worker_process_shutdown

from app.config import Settings
from app.database import Database, DatabaseUnavailableError
from app.tasks.worker import celery, run
from tests.task_worker import publisher

TOO_OFTEN = 20


class WorkError(Exception):
    """A failure that will be the same each time."""


@pytest.fixture(autouse=True)
def _task_process() -> Iterator[None]:
    """This process does tasks."""
    worker_process_init.send(sender=None)
    yield
    worker_process_shutdown.send(sender=None)


@pytest.fixture
def task(settings: Settings, broker: None) -> Task:  # noqa: ARG001
    """A task that no worker takes from the broker."""
    return _task_on(settings.celery_broker_url)


def _task_on(broker: str) -> Task:
    app = publisher(broker)
    app.conf.update(task_default_queue="nobody", task_default_exchange_type="direct", task_queues=None)
    return app.task(_nothing, shared=False)


def _nothing() -> None:
    pass


async def _fail(task: Task, error: Exception, *, retries: int) -> int:
    """Let an attempt fail, after so many retries. Returns how often it was given up; raises what Celery is told."""
    given_up = 0

    async def work(_: Database) -> None:
        raise error

    async def give_up(_: Database) -> None:
        nonlocal given_up
        given_up += 1

    def attempt() -> None:
        task.push_request(id="1", retries=retries, args=(), kwargs={}, called_directly=False)
        try:
            run(task, work, give_up=give_up)
        except type(error):
            pass
        finally:
            task.pop_request()

    await asyncio.to_thread(attempt)
    return given_up


async def test_a_failure_that_passes_is_tried_again_later_and_later(task: Task) -> None:
    pauses = []
    for retries in range(TOO_OFTEN):
        with pytest.raises(Retry) as told:
            await _fail(task, DatabaseUnavailableError(), retries=retries)
        assert isinstance(told.value.when, int)
        pauses.append(told.value.when)
    assert pauses[0] <= 1
    assert 15 <= pauses[-1] <= 30


async def test_a_failure_that_has_passed_too_often_is_given_up(task: Task) -> None:
    assert await _fail(task, DatabaseUnavailableError(), retries=TOO_OFTEN) == 1


async def test_another_failure_is_given_up_at_once(task: Task) -> None:
    assert await _fail(task, WorkError(), retries=0) == 1


async def test_a_task_that_the_broker_does_not_take_back_stays_where_it_is() -> None:
    scheme = urlsplit(celery.conf.broker_url).scheme
    with pytest.raises(Reject) as told:
        await _fail(_task_on(f"{scheme}://127.0.0.1:1/0"), DatabaseUnavailableError(), retries=0)
    assert told.value.requeue
