"""A report as a picture: of one run, or of one run beside an earlier one."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from load.measure.figures import Report
from load.measure.tables import measures, number

_COLOURS = ("#9fb6c3", "#1f6f8b")
_PERCENTILES = ("p50", "p95", "p99")
_WIDTH = 12.0
_ENDPOINT_HEIGHT = 0.5
_TOTALS_HEIGHT = 2.8
_GROUP = 0.8
"""Share of the room between two groups of bars that the bars take."""


def draw(reports: Sequence[Report], path: Path) -> None:
    """Write one or two runs as SVG, side by side and each in its own colour."""
    endpoints = list(dict.fromkeys(endpoint.name for run in reports for endpoint in run.traffic.endpoints))
    totals = list(dict.fromkeys(name for run in reports for name in measures(run)))
    height = 1 + _ENDPOINT_HEIGHT * len(endpoints)
    # A $ in the name of an endpoint begins no formula.
    with rc_context({"text.parse_math": False, "font.size": 9, "axes.spines.right": False, "axes.spines.top": False}):
        figure = Figure(figsize=(_WIDTH, height + _TOTALS_HEIGHT), layout="constrained")
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, _TOTALS_HEIGHT]).flat
        for axes, percentile in zip(above.subplots(1, len(_PERCENTILES), sharey=True), _PERCENTILES, strict=True):
            _draw_latencies(axes, reports, endpoints, percentile)
        for axes, name in zip(below.subplots(1, len(totals)), totals, strict=True):
            _draw_total(axes, reports, name)
        above.legend(*above.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_latencies(axes: Axes, reports: Sequence[Report], endpoints: Sequence[str], percentile: str) -> None:
    bar = _GROUP / len(reports)
    for place, run in enumerate(reports):
        times = {endpoint.name: getattr(endpoint, percentile) for endpoint in run.traffic.endpoints}
        values = [times.get(name, 0) for name in endpoints]
        rows = [row + (place - (len(reports) - 1) / 2) * bar for row in range(len(endpoints))]
        bars = axes.barh(rows, values, bar, label=run.label, color=_COLOURS[place - len(reports)])
        axes.bar_label(bars, [number(times.get(name)) for name in endpoints], padding=2)
    axes.set_title(f"{percentile} (ms)")
    axes.set_yticks(range(len(endpoints)), endpoints)
    axes.set_ylim(len(endpoints) - 0.5, -0.5)
    axes.margins(x=0.2)


def _draw_total(axes: Axes, reports: Sequence[Report], name: str) -> None:
    values = [measures(run).get(name) for run in reports]
    bars = axes.bar(range(len(reports)), [value or 0 for value in values], _GROUP, color=_COLOURS[-len(reports) :])
    axes.bar_label(bars, [number(value) for value in values])
    axes.set_title(fill(name, 12))
    axes.spines.left.set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(y=0.15)
    axes.set_ylim(bottom=0)
