"""The report: a record as Markdown, with its plots beside it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks import budget
from benchmarks.blocks import CACHE
from benchmarks.figures import CaseFigures, Figure
from benchmarks.outcome import Outcome, Verdict
from benchmarks.record import Record

FIGURES_FILE = "figures.json"

_METHOD = """\
Each server is one uvicorn process (uvloop, httptools, no access log) on core 0; wrk, PostgreSQL and Valkey share
core 1. The cases of one block take turns in each round, and a figure is the median of its rounds; the range beside a
ratio is that of the ratios within the rounds. wrk holds 64 connections unless a row says otherwise. CPU is the
server's own time for each request, and a CPU ratio says how many times less the first takes. The bare server (raw)
sends the very bytes that the service sent, headers included. "As served" is the service as it is deployed, with its
request ids, metrics and log lines (to /dev/null); "cache alone" leaves those out. Waits (row `waits`) count the
requests too that were not answered when a round ended. Rows with several workers use both cores. Idle cores poll
instead of sleeping, where the system lets them (/dev/cpu_dma_latency): otherwise a server that is slower than wrk pays
for waking it with each answer, in a virtual machine dearly, and a faster one does not."""


def write(record: Record, directory: Path) -> None:
    """Write ``README.md``, the plots and the figures into a directory."""
    # Here, so that the tables do without matplotlib.
    from benchmarks import plots

    directory.mkdir(parents=True, exist_ok=True)
    drawn = plots.draw(record, directory)
    (directory / "README.md").write_text(markdown(record, drawn))
    (directory / FIGURES_FILE).write_text(record.to_json())


def markdown(record: Record, drawn: Sequence[tuple[str, str]]) -> str:
    """The text of the report."""
    facts = record.facts
    parts = [
        "# Speed, measured",
        f"`{facts['command']}` on {facts['date']}, commit {facts['commit']}, {facts['minutes']} minutes.",
        _noise(record.noise),
        "## Goals",
        _score(record.outcomes),
        _table(
            ("row", "what", "measured", "range", "at least", "stretch", ""),
            [_outcome(outcome) for outcome in record.outcomes],
        ),
        *record.remarks,
    ]
    if drawn:
        parts.append("## Before and after")
        parts.extend(f"{sentence}\n\n![{sentence}]({name})" for name, sentence in drawn)
    spent = budget.rows(record.cases.get(CACHE, {}))
    if spent:
        parts += ["## Where the time of a cached answer goes", _table(budget.HEAD, spent)]
    parts.append("## All cases")
    for block, cases in record.cases.items():
        parts.append(f"### {block.capitalize()}")
        parts.append(
            _table(
                ("case", "requests/s", "± %", "p50 ms", "p95 ms", "p99 ms", "CPU µs", "failed", "bytes"),
                [_case(name, figures) for name, figures in cases.items()],
            )
        )
    parts += ["## How", _METHOD, _table(("", ""), [(name, value) for name, value in facts.items()])]
    return "\n\n".join(parts) + "\n"


def summary(record: Record) -> str:
    """The table for a terminal."""
    rows = [_outcome(outcome) for outcome in record.outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, _score(record.outcomes), *record.remarks, _noise(record.noise)])


def _score(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.verdict for outcome in outcomes)
    return (
        f"Goals reached with their stretch: {counts[Verdict.STRETCH]}; reached: {counts[Verdict.REACHED]}; "
        f"missed: {counts[Verdict.MISSED]}."
    )


def _noise(noise: Sequence[str]) -> str:
    if not noise:
        return "The machine was calm: the bare server was steady, and nobody else at work."
    lines = ["**The machine was too noisy** for absolute figures, and perhaps for ratios:", ""]
    return "\n".join([*lines, *(f"- {sentence}" for sentence in noise)])


def _outcome(outcome: Outcome) -> tuple[str, ...]:
    return (
        outcome.row,
        outcome.what,
        outcome.measured,
        outcome.spread,
        outcome.least,
        outcome.stretch,
        outcome.verdict.value if outcome.verdict is not Verdict.SHOWN else "",
    )


def _case(name: str, figures: CaseFigures) -> tuple[str, ...]:
    return (
        name,
        f"{figures.rate.median:,.0f}",
        f"{figures.rate.spread * 50:.0f}",
        *(_milliseconds(figure) for figure in (figures.p50, figures.p95, figures.p99)),
        f"{figures.cpu.median:,.0f}",
        str(figures.failures + figures.socket_errors),
        f"{figures.bytes_per_answer:,.0f}",
    )


def _milliseconds(figure: Figure) -> str:
    return f"{figure.median:,.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
