"""Rows of the table that count or watch, each in a module of its own."""

from collections.abc import Callable, Mapping

from benchmarks.effort import Effort
from benchmarks.experiments import cold, concurrency, large, memory, pool
from benchmarks.experiments.findings import Findings
from benchmarks.laboratory import Laboratory

Experiment = Callable[[Laboratory, Effort], Findings]

EXPERIMENTS: Mapping[str, Experiment] = {
    "pool": pool.run,
    "concurrency": concurrency.run,
    "cold": cold.run,
    "memory": memory.run,
    "large": large.run,
}
"""By the name of the row."""

__all__ = ["EXPERIMENTS", "Experiment", "Findings"]
