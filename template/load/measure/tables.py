"""A report as Markdown: of one run, or of one run beside an earlier one."""

from collections.abc import Iterable, Sequence
from typing import Any

from load.measure.figures import Report

Rows = dict[str, dict[str, float | None]]
"""Figures by the name of the row and of the column."""


def markdown(report: Report, before: Report | None, *, plot: str) -> str:
    """The whole report; ``plot`` is the name of the picture beside it."""
    title = f"# Load report: {report.label}" + (f", compared with {before.label}" if before else "")
    parts = [title, _conditions(report), *_notes(report, before), summary(report, before), f"![Plot]({plot})"]
    for heading, name, rows_of in (
        ("## Endpoints, as callers saw them", "endpoint", _endpoints),
        ("## Routes, as the service counted them", "route", _routes),
    ):
        parts += [heading, _side_by_side(name, rows_of(report), rows_of(before) if before else None)]
    if report.traffic.failures:
        parts += ["## Failures", _failures(report)]
    return "\n\n".join(parts) + "\n"


def summary(report: Report, before: Report | None) -> str:
    """The figures of the whole run."""
    values = measures(report)
    if before is None:
        return _table(("total", report.label), ([name, number(value)] for name, value in values.items()))
    earlier = measures(before)
    return _table(
        ("total", before.label, report.label, "ratio"),
        (
            [name, number(earlier.get(name)), number(values.get(name)), ratio(earlier.get(name), values.get(name))]
            for name in earlier | values
        ),
    )


def measures(report: Report) -> dict[str, float]:
    """The figures of the whole run by name, without those that the service does not count."""
    total, inside = report.traffic.total, report.inside
    found = {
        "requests": float(total.requests),
        "requests/s": total.requests_per_second,
        "failures": float(report.traffic.failed),
        "p50 (ms)": total.p50,
        "p95 (ms)": total.p95,
        "p99 (ms)": total.p99,
        "cache hit rate (%)": percent(inside.cache_hit_rate),
        "queries per request": inside.queries_per_request,
        "pool wait, mean (ms)": inside.pool_wait_mean,
        "pool wait, p95 (ms)": inside.pool_wait_p95,
    }
    return {name: value for name, value in found.items() if value is not None}


def number(value: float | None) -> str:
    """Two or three digits that say something, or all of a whole number; a dash for None."""
    if value is None:
        return "-"
    if value == round(value) or value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def ratio(before: float | None, after: float | None) -> str:
    """How many times what it was; a dash when there is nothing to compare with."""
    if not before or after is None:
        return "-"
    times = after / before
    return f"x {times:.2f}" if 0.1 <= times < 100 else f"x {number(times)}"


def percent(share: float | None) -> float | None:
    """A share of 1 in percent."""
    return None if share is None else share * 100


def _conditions(report: Report) -> str:
    load, plan = report.load, report.plan
    return (
        f"{report.measured_at}: {load.users} users, {load.spawn_rate} more each second; counted, once all were"
        f" there, for {report.traffic.seconds:.0f} s. Server processes: {plan['deployment']['workers']}, each"
        f" with a pool_size of {plan['pool_size']}. They shared {report.machine} with the load and with all that they"
        " use. locust rounds response times to whole milliseconds, and from 100 on to two digits."
    )


def _notes(report: Report, before: Report | None) -> list[str]:
    notes = []
    if report.traffic.is_short_of_cpu or (before and before.traffic.is_short_of_cpu):
        notes.append("**locust itself was short of CPU**: the times are partly its own. Take fewer users.")
    if before and before.machine != report.machine:
        notes.append(f"**Another machine**: {before.label} was measured on {before.machine}.")
    changes = _changes(before.plan, report.plan) if before else []
    if changes:
        notes.append(f"Changed in the plan: {', '.join(changes)}.")
    return notes


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    facts = {**before, **before["deployment"]}, {**after, **after["deployment"]}
    names = [name for name, value in facts[1].items() if isinstance(value, int) and facts[0].get(name) != value]
    return [f"{name} {facts[0].get(name)} → {facts[1][name]}" for name in names]


def _endpoints(report: Report) -> Rows:
    return {
        endpoint.name: {
            "requests": endpoint.requests,
            "failures": endpoint.failures,
            "requests/s": endpoint.requests_per_second,
            "p50 (ms)": endpoint.p50,
            "p95 (ms)": endpoint.p95,
            "p99 (ms)": endpoint.p99,
        }
        for endpoint in report.traffic.endpoints
    }


def _routes(report: Report) -> Rows:
    return {
        route.name: {
            "requests": route.requests,
            "queries per request": route.queries_per_request,
            "cache hit rate (%)": percent(route.cache_hit_rate),
        }
        for route in report.inside.routes
    }


def _side_by_side(name: str, rows: Rows, before: Rows | None) -> str:
    """A row for each name in either run, and a column for each figure that either run has."""
    runs = [run for run in (before, rows) if run is not None]
    rows_of_all = [values for run in runs for values in run.values()]
    columns = dict.fromkeys(key for values in rows_of_all for key, value in values.items() if value is not None)
    names = dict.fromkeys(row for run in runs for row in run)
    lines = [[row, *(_cell([run.get(row, {}).get(key) for run in runs]) for key in columns)] for row in names]
    return _table((name, *columns), lines)


def _cell(values: Sequence[float | None]) -> str:
    before, after = values[0], values[-1]
    if len(values) == 1 or (before is None and after is None):
        return number(after)
    times = ratio(before, after)
    return f"{number(before)} → {number(after)}" + ("" if times == "-" else f" ({times})")


def _failures(report: Report) -> str:
    rows = ([failure.endpoint, failure.error, number(failure.count)] for failure in report.traffic.failures)
    return _table(("endpoint", "error", "times"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
