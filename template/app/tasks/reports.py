"""Tasks of the reports."""

from uuid import UUID

from celery import Task

from app.database import Database
from app.services import reports
from app.tasks.worker import celery, run

# Seconds between two looks for what may go.
_PAUSE = 600


@celery.task(name="reports.build", bind=True)
def build_report(task: Task, report_id: str) -> None:
    """Compute a report. A second delivery changes nothing."""
    report = UUID(report_id)
    run(
        task,
        lambda database: reports.compute_report(database, report, retries=task.request.retries),
        give_up=lambda database: reports.fail_report(database, report),
    )


@celery.task(name="reports.expire", bind=True)
def expire(task: Task) -> None:
    """Delete old reports, and fail those that were lost."""
    run(task, reports.expire_reports, give_up=_give_up)


async def _give_up(_: Database) -> None:
    """The next time is soon enough."""


# A task that still waits when the next one is due is dropped.
celery.add_periodic_task(_PAUSE, expire.s(), name="reports", expires=_PAUSE)
