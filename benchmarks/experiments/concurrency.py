"""The list at any concurrency: whether a caller is left waiting, or fails."""

from benchmarks import callers
from benchmarks.cases import BEST, LIST, SERVICE
from benchmarks.effort import Effort
from benchmarks.experiments.findings import Findings
from benchmarks.laboratory import Laboratory
from benchmarks.outcome import Goal, Outcome
from benchmarks.wrk import Load

_STALL_SECONDS = 2
"""Who waits longer, answered or not, has been left behind: one turn of all 512 takes about half a second."""


def run(laboratory: Laboratory, effort: Effort) -> Findings:
    """Each level for the service and for the best practice beside it."""
    service: dict[int, Load] = {}
    best: dict[int, Load] = {}
    with laboratory.running(SERVICE) as ours, laboratory.running(BEST) as theirs:
        for level in effort.levels:
            service[level] = callers.call_for(ours.port, LIST, connections=level, seconds=effort.level_seconds)
            best[level] = callers.call_for(theirs.port, LIST, connections=level, seconds=effort.level_seconds)
        rush = callers.connect_and_call_for(
            ours.port, LIST, connections=effort.levels[-1], seconds=effort.level_seconds
        )
    none = Goal(least=0, less_is_better=True)
    what = f"list, 1 to {effort.levels[-1]} connections"
    stalls, errors = _stalls(service), _errors(service)
    return Findings(
        outcomes=[
            none.outcome(
                "concurrency",
                f"{what}: levels with a wait of more than {_STALL_SECONDS} s",
                stalls,
                measured=f"{stalls} of {len(service)}",
            ),
            none.outcome("concurrency", f"{what}: errors", errors, measured=str(errors)),
            Outcome(
                row="concurrency",
                what=f"{what}, best practice: levels with such a wait; errors",
                measured=f"{_stalls(best)} of {len(best)}; {_errors(best)}",
            ),
            Outcome(
                row="concurrency",
                what=f"{effort.levels[-1]} callers who connect at once to the busy service: longest wait",
                measured=f"{rush.longest / 1000:.1f} s",
            ),
        ],
        figures={"service": _figures(service), "best": _figures(best)},
    )


def _stalls(levels: dict[int, Load]) -> int:
    return sum(load.requests == 0 or load.longest > _STALL_SECONDS * 1000 for load in levels.values())


def _errors(levels: dict[int, Load]) -> int:
    return sum(load.failures + load.socket_errors for load in levels.values())


def _figures(levels: dict[int, Load]) -> list[dict[str, float]]:
    return [
        {
            "connections": level,
            "requests_per_second": load.requests_per_second,
            "p50": load.p50,
            "p99": load.p99,
            "longest": load.longest,
        }
        for level, load in levels.items()
    ]
