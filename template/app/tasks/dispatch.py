"""Handing tasks to the broker from a coroutine."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from celery import Task
from kombu.exceptions import OperationalError

from app.errors import QueueUnavailableError
from app.tasks.worker import celery

# Celery's client is synchronous, so it waits in threads and the event loop goes on. They are its own: a broker
# that does not answer keeps them busy, and no others.
_publishers = ThreadPoolExecutor(max_workers=celery.conf.broker_pool_limit, thread_name_prefix="publisher")


async def hand_over(task: Task, *arguments: object, timeout: float) -> None:  # noqa: ASYNC109
    """Publish a task. Raises :class:`QueueUnavailableError` when the broker takes longer than ``timeout`` seconds.

    What has not begun by then is not done; what has begun may still reach the broker, so that the task has
    to see for itself whether it is still wanted.
    """
    publish = partial(task.apply_async, arguments, timeout=timeout, confirm_timeout=timeout)
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().run_in_executor(_publishers, publish)
    except (OperationalError, OSError, TimeoutError) as error:
        raise QueueUnavailableError("The broker did not take the task.") from error
