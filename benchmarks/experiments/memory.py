"""The memory of one worker: at rest, and when it has been asked for very many distinct things."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from benchmarks import callers, processes
from benchmarks.cases import CONNECTIONS, WITH_ADDITIONS
from benchmarks.effort import Effort
from benchmarks.experiments.findings import Findings
from benchmarks.laboratory import Laboratory
from benchmarks.outcome import Goal, Outcome
from benchmarks.servers import Running, Server

_MIB = 1024 * 1024
# The second half of the keys must not add to what the first half has filled.
_STEADY = Goal(least=1.05, less_is_better=True)


def run(laboratory: Laboratory, effort: Effort) -> Findings:
    """For the cache in memory, and for the near cache where there is one."""
    bound = _bound(laboratory)
    outcomes = _grow(laboratory, WITH_ADDITIONS, f"memory of one worker (bound {bound / _MIB:.0f} MiB)", effort)
    if laboratory.has_near_cache:
        near = replace(WITH_ADDITIONS, name="near", service="redis", environment={"CACHE_NEAR_SECONDS": "60"})
        outcomes += _grow(laboratory, near, "memory of one worker with a near cache", effort)
    return Findings(outcomes=outcomes, figures={"bound_bytes": bound})


def _grow(laboratory: Laboratory, server: Server, what: str, effort: Effort) -> list[Outcome]:
    half = effort.distinct_keys // 2
    with laboratory.running(server) as started:
        at_rest = _resident(started)
        callers.call_each(started.port, _paths(0, half), connections=CONNECTIONS)
        after_half = _resident(started)
        callers.call_each(started.port, _paths(half, 2 * half), connections=CONNECTIONS)
        after_all = _resident(started)
    growth = after_all / after_half
    return [
        Outcome(row="memory", what=f"{what}: at rest", measured=f"{at_rest / _MIB:.0f} MiB"),
        Outcome(row="memory", what=f"after {half:,} distinct keys", measured=f"{after_half / _MIB:.0f} MiB"),
        _STEADY.outcome(
            "memory",
            f"after {2 * half:,}, and ÷ the half",
            growth,
            measured=f"{after_all / _MIB:.0f} MiB, {growth:.2f}",
        ),
    ]


def _paths(first: int, end: int) -> Iterator[str]:
    return (f"/benchmark/distinct/{key}" for key in range(first, end))


def _resident(server: Running) -> int:
    return processes.resident_bytes(server.pids)


def _bound(laboratory: Laboratory) -> int:
    program = "from app.config import Settings; print(Settings.model_fields['cache_memory_bytes'].default)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        cwd=laboratory.services["memory"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)
