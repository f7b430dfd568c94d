"""Plots of a record, as small SVG files."""

from collections.abc import Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import CaseFigures
from benchmarks.record import Record

# Text stays text, and the same figures give the same file.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "paceline",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WIDTH = 9.0
_BAR = "#4878a8"
_PERCENTILES = (("p50", "#7fb77e", "o"), ("p95", "#e0a030", "s"), ("p99", "#c0504d", "D"))

_STEPS = (
    ("database", "tutorial, 8", "tutorial: sync, N+1 (8 callers)"),
    ("waits", "best list, waits", "async ORM, joined"),
    ("waits", "columns", "columns, not entities"),
    ("waits", "autocommit", "AUTOCOMMIT, built once"),
    ("waits", "queued", "fair queue"),
    ("waits", "list, waits", "the service's list, as served"),
    ("cache", "hit", "cached hit, as served"),
    ("cache", "hit, cache alone", "cached hit, cache alone"),
    ("cache", "304, cache alone", "304, cache alone"),
)
_CACHE = (
    ("cache", "no cache", "no cache"),
    ("cache", "Valkey hit", "Valkey"),
    ("cache", "near hit", "Valkey + near cache"),
    ("cache", "hit", "memory"),
    ("cache", "304", "memory, 304"),
    ("cache", "raw", "bare server"),
)

Bar = tuple[str, float, dict[str, float]]
"""A label, requests/s, and percentiles in milliseconds."""


def draw(record: Record, directory: Path) -> list[tuple[str, str]]:
    """Write the plots that the record has figures for; returns file names and one sentence about each."""
    drawn: list[tuple[str, str]] = []
    with mpl.rc_context(_STYLE):
        for name, sentence, bars in (
            ("steps.svg", "The 20-item list, one technique after the other.", _bars(record, _STEPS)),
            ("cache.svg", "The popular list by where its answer is kept, middleware on.", _bars(record, _CACHE)),
            ("pool.svg", "300 callers of a 50 ms query on 100 connections, 9 workers.", _pool_bars(record)),
        ):
            if len(bars) > 1:
                _draw_bars(bars, directory / name)
                drawn.append((name, sentence))
        if "concurrency" in record.experiments:
            _draw_concurrency(record.experiments["concurrency"], directory / "concurrency.svg")
            drawn.append(
                ("concurrency.svg", "The list's p99 by the number of connections, unanswered requests included.")
            )
    return drawn


def _bars(record: Record, rows: Sequence[tuple[str, str, str]]) -> list[Bar]:
    return [
        _bar(label, record.cases[block][case]) for block, case, label in rows if case in record.cases.get(block, {})
    ]


def _bar(label: str, figures: CaseFigures) -> Bar:
    percentiles = {"p50": figures.p50.median, "p95": figures.p95.median, "p99": figures.p99.median}
    return label, figures.rate.median, percentiles


def _pool_bars(record: Record) -> list[Bar]:
    pools = record.experiments.get("pool", {})
    labels = {"naive": "20 + 10 in each worker", "planned": "the service's plan"}
    return [(labels[name], figures["useful_per_second"], figures) for name, figures in pools.items()]


def _draw_bars(bars: Sequence[Bar], path: Path) -> None:
    figure = Figure(figsize=(_WIDTH, 0.9 + 0.36 * len(bars)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(bars))
    left.barh(places, [rate for _, rate, _ in bars], color=_BAR, height=0.6)
    left.set_yticks(places, [label for label, _, _ in bars])
    left.invert_yaxis()
    rates = [max(rate, 1.0) for _, rate, _ in bars]
    _scale(left, min(rates), 3 * max(rates))
    left.set_xlabel("requests/s")
    for place, (_, rate, _) in zip(places, bars, strict=True):
        left.text(rate * 1.1, place, f"{rate:,.0f}", va="center")
    for percentile, color, marker in _PERCENTILES:
        right.plot(
            [found[percentile] for _, _, found in bars], places, marker, color=color, label=percentile, markersize=5
        )
    times = [found[percentile] for _, _, found in bars for percentile, _, _ in _PERCENTILES]
    _scale(right, max(min(times), 0.1), max(times))
    right.set_xlabel("milliseconds")
    right.grid(axis="x", alpha=0.3)
    right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(_PERCENTILES), frameon=False)
    _save(figure, path)


def _scale(axes: Axes, least: float, most: float) -> None:
    """A logarithmic scale over whole powers of ten, with plain numbers."""
    powers = range(floor(log10(least)), ceil(log10(most)) + 1)
    axes.set_xscale("log")
    axes.set_xlim(10.0 ** powers[0], 10.0 ** powers[-1])
    axes.set_xticks([10.0**power for power in powers], [f"{10.0**power:,.10g}" for power in powers])
    axes.minorticks_off()


def _draw_concurrency(levels: dict[str, list[dict[str, float]]], path: Path) -> None:
    figure = Figure(figsize=(_WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    for name, label, color in (("best", "best practice", "#c0504d"), ("service", "service", _BAR)):
        connections = [level["connections"] for level in levels[name]]
        axes.plot(connections, [level["p99"] for level in levels[name]], "o-", color=color, label=label, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(connections, [str(number) for number in connections])
    axes.set_xlabel("connections")
    axes.set_ylabel("p99, milliseconds")
    axes.yaxis.set_major_formatter("{x:,.10g}")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
