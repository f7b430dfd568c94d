"""Reports: accepted at once, computed later, looked up by their identifier."""

import statistics
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import structlog
from sqlalchemy import delete, select, update
from starlette.concurrency import run_in_threadpool

from app.database import Database
from app.errors import NotFoundError
from app.models import Category, Item, Report
from app.models.base import utc_now
from app.schemas.report import CategoryPrices, ReportRead

_log = structlog.get_logger()

# A report is looked up soon, or never.
_KEPT = timedelta(days=7)

# Nobody computes a report for so long: it was lost.
_LOST = timedelta(days=1)

# A report that is begun so often without an end ends the process that computes it.
_MOST_ATTEMPTS = 5

_PRICES = select(Category.name, Item.price_cents).join(Item, Item.category_id == Category.id).order_by(Category.name)


async def create_report(database: Database) -> UUID:
    """Note that a report is wanted."""
    async with database.session() as session:
        report = Report()
        session.add(report)
        await session.flush()
        return report.id


async def get_report(database: Database, report_id: UUID) -> ReportRead:
    """A report, finished or not. Raises :class:`NotFoundError`."""
    columns = select(Report.id, Report.status, Report.created_at, Report.finished_at, Report.result)
    async with database.read() as connection:
        row = (await connection.execute(columns.where(Report.id == report_id))).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no report {report_id}.")
    return ReportRead.model_validate(dict(row))


async def compute_report(database: Database, report_id: UUID, *, retries: int = 0) -> None:
    """Compute a report and store it. Doing it twice has one effect: a finished report stays, a failed one too.

    When it fails, the caller tries again or calls :func:`fail_report`. Each try counts as an attempt; those
    that are not among ``retries`` have not come to an end, and after too many the report is failed.
    """
    attempts = await _begin(database, report_id)
    if attempts is None:
        return
    if attempts - retries > _MOST_ATTEMPTS:
        await fail_report(database, report_id)
        return
    async with database.read() as connection:
        prices = [tuple(row) for row in await connection.execute(_PRICES)]
    # Pure Python that keeps a core busy: in a thread, the event loop stays free for others.
    result = await run_in_threadpool(_summarise, prices)
    rows = [entry.model_dump() for entry in result]
    await _set(database, report_id, status="done", result=rows, finished_at=utc_now())


async def fail_report(database: Database, report_id: UUID) -> None:
    """Note that a report will not be finished."""
    _log.error("a report failed", report=str(report_id))
    await _set(database, report_id, status="failed", finished_at=utc_now())


async def expire_reports(database: Database) -> None:
    """Delete the reports that nobody will look up any more, and fail those that nobody computes."""
    now = utc_now()
    async with database.write() as connection:
        await connection.execute(delete(Report).where(Report.created_at < now - _KEPT))
        lost = (Report.created_at < now - _LOST, Report.finished_at.is_(None))
        await connection.execute(update(Report).where(*lost).values(status="failed", finished_at=now))


async def _begin(database: Database, report_id: UUID) -> int | None:
    """Count an attempt. Says how many there were; None for a report that has come to its end."""
    unfinished = (Report.id == report_id, Report.finished_at.is_(None))
    begun = update(Report).where(*unfinished).values(status="running", attempts=Report.attempts + 1)
    async with database.write() as connection:
        await connection.execute(begun)
        return await connection.scalar(select(Report.attempts).where(*unfinished))


async def _set(database: Database, report_id: UUID, **values: object) -> None:
    unfinished = (Report.id == report_id, Report.finished_at.is_(None))
    async with database.write() as connection:
        await connection.execute(update(Report).where(*unfinished).values(**values))


def _summarise(prices: Sequence[tuple[str, int]]) -> list[CategoryPrices]:
    summaries = []
    for category, rows in groupby(prices, key=itemgetter(0)):
        cents = sorted(row[1] for row in rows)
        p95 = cents[min(len(cents) - 1, len(cents) * 95 // 100)]
        summary = CategoryPrices(category=category, items=len(cents), median=statistics.median(cents), p95=p95)
        summaries.append(summary)
    return summaries
