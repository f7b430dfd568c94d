"""Handing tasks to the broker from a coroutine."""

import asyncio

from celery import Task
from kombu.exceptions import OperationalError
from starlette.concurrency import run_in_threadpool

from app.errors import QueueUnavailableError


async def hand_over(task: Task, *arguments: object, timeout: float) -> None:  # noqa: ASYNC109
    """Publish a task. Raises :class:`QueueUnavailableError` when the broker takes longer than ``timeout`` seconds.

    Celery's client is synchronous, so it waits in a thread and the event loop goes on.
    """
    try:
        async with asyncio.timeout(timeout):
            await run_in_threadpool(task.apply_async, arguments)
    except (OperationalError, OSError, TimeoutError) as error:
        raise QueueUnavailableError("The broker did not take the task.") from error
