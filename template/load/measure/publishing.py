"""The files of a report, and what is printed of it."""

import sys
from pathlib import Path

from load.measure.figures import Report, write
from load.measure.plots import draw
from load.measure.tables import markdown, summary


def publish(report: Report, before: Report | None, directory: Path) -> None:
    """Write the report as JSON, Markdown and SVG, and print its summary.

    Ends the process with a sentence when requests have failed: their times say little.
    """
    directory.mkdir(parents=True, exist_ok=True)
    write(directory / "report.json", report)
    draw([before, report] if before else [report], directory / "report.svg")
    (directory / "report.md").write_text(markdown(report, before, plot="report.svg"))
    print(summary(report, before), f"{directory / 'report.md'} says more.", sep="\n\n")
    if report.traffic.failed:
        sys.exit(f"There were {report.traffic.failed} failures; the report lists them.")
