"""A small answer while 5 MB are asked for again and again: whether the large one holds the others up."""

from concurrent.futures import ThreadPoolExecutor
from statistics import median

from benchmarks import callers, wrk
from benchmarks.cases import COMPRESSED, FROM_MEMORY, WITH_ADDITIONS
from benchmarks.effort import Effort
from benchmarks.experiments.findings import Findings
from benchmarks.laboratory import Laboratory
from benchmarks.outcome import Outcome
from benchmarks.wrk import Load, Request

_SMALL_CALLERS = 8
_LARGE = {
    "beside 5 MB of bytes": Request(path="/benchmark/large"),
    "beside 5 MB of bytes, compressed": Request(path="/benchmark/large", headers=COMPRESSED.headers),
    "beside 5 MB made of models": Request(path="/benchmark/large/models"),
    "beside 5 MB made by a return annotation": Request(path="/benchmark/large/annotated"),
}


def run(laboratory: Laboratory, effort: Effort) -> Findings:
    """The small answer alone, and beside each of the large ones, in rounds."""
    loads: dict[str, list[Load]] = {name: [] for name in ("alone", *_LARGE)}
    with laboratory.running(WITH_ADDITIONS) as started:
        for _ in range(effort.large_rounds):
            loads["alone"].append(_small(started.port, effort.large_seconds))
            for name, request in _LARGE.items():
                loads[name].append(_small_beside(request, started.port, effort.large_seconds))
    return Findings(
        outcomes=[
            Outcome(
                row="large",
                what=f"small answer, {_SMALL_CALLERS} callers, {name}: p99, longest",
                measured=f"{_p99(taken):.1f} ms, {max(load.longest for load in taken):.0f} ms",
            )
            for name, taken in loads.items()
        ],
        figures={
            name: {"p99": _p99(taken), "longest": max(load.longest for load in taken)} for name, taken in loads.items()
        },
    )


def _small(port: int, seconds: int) -> Load:
    return callers.call_for(port, FROM_MEMORY, connections=_SMALL_CALLERS, seconds=seconds)


def _small_beside(large: Request, port: int, seconds: int) -> Load:
    with ThreadPoolExecutor(1) as thread:
        # Longer by a second on both sides.
        beside = thread.submit(wrk.put_under_load, port, large, connections=1, seconds=seconds + 1)
        load = _small(port, seconds)
        if beside.result().requests == 0:
            raise RuntimeError(f"{large.path} was not answered once")
    return load


def _p99(loads: list[Load]) -> float:
    return median(load.p99 for load in loads)
