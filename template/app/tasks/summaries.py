"""Tasks of the summaries."""

import structlog
from celery import Task

from app.database import Database
from app.services.summaries import refresh_summaries
from app.tasks.worker import celery, run, settings

_log = structlog.get_logger()


@celery.task(name="summaries.refresh", bind=True)
def refresh(task: Task) -> None:
    """Refresh the summaries. Too early, or a second time at once, it changes nothing."""
    run(task, _refresh, give_up=_give_up)


async def _refresh(database: Database) -> None:
    await refresh_summaries(database, period=settings.summary_period)


async def _give_up(_: Database) -> None:
    _log.error("the summaries could not be refreshed")


# Twice in a period, so that a summary is never older than one and a half. A task that still waits when
# the next one is due is dropped.
_PAUSE = settings.summary_period / 2
celery.add_periodic_task(_PAUSE, refresh.s(), name="summaries", expires=_PAUSE)
