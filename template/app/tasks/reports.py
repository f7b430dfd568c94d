"""Tasks of the reports."""

from uuid import UUID

from celery import Task

from app.services import reports
from app.tasks.worker import celery, run


@celery.task(name="reports.build", bind=True)
def build_report(task: Task, report_id: str) -> None:
    """Compute a report. A second delivery changes nothing."""
    report = UUID(report_id)
    run(
        task,
        lambda database: reports.compute_report(database, report),
        give_up=lambda database: reports.fail_report(database, report),
    )
