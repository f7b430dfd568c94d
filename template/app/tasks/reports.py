"""Tasks of the reports."""

from uuid import UUID

from app.services import reports
from app.tasks.worker import celery, run


@celery.task(name="reports.build")
def build_report(report_id: str) -> None:
    """Compute a report. A second delivery changes nothing."""
    run(lambda database: reports.compute_report(database, UUID(report_id)))
