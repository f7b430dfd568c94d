"""300 callers, a query of 50 ms, ``max_connections=100``, 9 workers: pools chosen by feel, and the service's plan."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from benchmarks import backends, callers, processes
from benchmarks.cores import BOTH_CORES
from benchmarks.effort import Effort
from benchmarks.experiments.findings import Findings
from benchmarks.laboratory import Laboratory
from benchmarks.outcome import Goal, Outcome
from benchmarks.servers import Running, Server
from benchmarks.wrk import Load, Request

_CALLERS = 300
_WORKERS = 9
_MAX_CONNECTIONS = 100
_REQUEST = Request(path="/benchmark/slow")

_NAIVE = Server(
    name="naive pools", application="benchmarks.opponents.naive_pool:app", workers=_WORKERS, cores=BOTH_CORES
)
_PLANNED = Server(
    name="planned pools",
    application="benchmarks.variants.with_additions:app",
    workers=_WORKERS,
    cores=BOTH_CORES,
    # The facts that its plan follows from.
    environment={"MAX_CONNECTIONS": str(_MAX_CONNECTIONS), "REPLICAS": str(_WORKERS)},
)


def run(laboratory: Laboratory, effort: Effort) -> Findings:
    """One after the other in each round, because the connections of one would be missing to the other."""
    loads: dict[str, list[Load]] = {"naive": [], "planned": []}
    spreads: dict[str, list[int]] = {}
    log = laboratory.directory / "postgresql-of-pools.log"
    with backends.postgresql(laboratory.services["redis"], log, max_connections=_MAX_CONNECTIONS) as url:
        for _ in range(effort.pool_rounds):
            for name, server in (("naive", _NAIVE), ("planned", _PLANNED)):
                with laboratory.running(server, DATABASE_URL=url) as started:
                    # Until every worker has its connections.
                    callers.call_for(started.port, _REQUEST, connections=_CALLERS, seconds=2)
                    with ThreadPoolExecutor(1) as thread:
                        spread = thread.submit(_callers_by_worker, started, after=effort.pool_seconds / 2)
                        load = callers.call_for(
                            started.port, _REQUEST, connections=_CALLERS, seconds=effort.pool_seconds
                        )
                    loads[name].append(load)
                    spreads[name] = spread.result()
    return _findings(loads["naive"], loads["planned"], spreads["planned"])


def _callers_by_worker(started: Running, *, after: float) -> list[int]:
    time.sleep(after)
    held = processes.connections_of(started.pids, started.port)
    return sorted(held, reverse=True)[:_WORKERS]


def _findings(naive: list[Load], planned: list[Load], spread: list[int]) -> Findings:
    rates = median(map(_useful, planned)) / max(median(map(_useful, naive)), 1e-9)
    waits = _p99(planned) / _p99(naive)
    failures = sum(load.failures + load.socket_errors for load in planned)
    naive_failures = sum(load.failures + load.socket_errors for load in naive)
    what = f"{_CALLERS} callers, 9 workers, planned ÷ naive pools"
    return Findings(
        outcomes=[
            Goal(least=5, stretch=7).outcome("pool", f"{what}: useful requests/s", rates, measured=f"{rates:.2f}"),
            Goal(least=0, less_is_better=True).outcome(
                "pool",
                f"{_CALLERS} callers, 9 workers, planned pools: failures ({naive_failures} with naive ones)",
                failures,
                measured=str(failures),
            ),
            Goal(least=0.3, stretch=0.15, less_is_better=True).outcome(
                "pool", f"{what}: p99", waits, measured=f"{waits:.2f}"
            ),
            # They share a listening socket, and a pool is of use to the callers of its own worker alone.
            Outcome(
                row="pool",
                what=f"{_CALLERS} callers, 9 workers: callers of each in the last round",
                measured=", ".join(map(str, spread)),
            ),
        ],
        figures={"naive": _figures(naive), "planned": _figures(planned)},
    )


def _useful(load: Load) -> float:
    return load.requests_per_second * (1 - load.failures / max(1, load.requests))


def _p99(loads: list[Load]) -> float:
    return median(load.p99 for load in loads)


def _figures(loads: list[Load]) -> dict[str, float]:
    return {
        "useful_per_second": median(map(_useful, loads)),
        "p50": median(load.p50 for load in loads),
        "p95": median(load.p95 for load in loads),
        "p99": _p99(loads),
        "failures": sum(load.failures for load in loads),
        "socket_errors": sum(load.socket_errors for load in loads),
        "answers": sum(load.requests for load in loads),
    }
