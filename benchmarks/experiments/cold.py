"""300 requests at once for an answer that nobody has: how often the database is asked."""

from dataclasses import replace

from benchmarks import backends, callers
from benchmarks.cases import WITH_ADDITIONS
from benchmarks.cores import BOTH_CORES
from benchmarks.effort import Effort
from benchmarks.experiments.findings import Findings
from benchmarks.laboratory import Laboratory
from benchmarks.outcome import Goal, Outcome
from benchmarks.servers import Server

_CALLERS = 300
_WORKERS = 4

_ONE = WITH_ADDITIONS
_SHARED = replace(WITH_ADDITIONS, name="one process on Valkey", service="redis")
_FOUR = replace(_SHARED, name="four processes on Valkey", workers=_WORKERS, cores=BOTH_CORES)


def run(laboratory: Laboratory, effort: Effort) -> Findings:
    """A sequence counts the queries, so that no process can miss one."""
    url = laboratory.environment["DATABASE_URL"]
    backends.query(url, "CREATE SEQUENCE IF NOT EXISTS benchmark_queries")
    outcomes: list[Outcome] = []
    for number, (what, server) in enumerate(
        (("one process, in memory", _ONE), ("one process on Valkey", _SHARED), ("4 processes on Valkey", _FOUR))
    ):
        queries, failures = _ask(laboratory, server, url, rounds=effort.cold_rounds, first_key=1000 * number)
        what = f"cold key, {_CALLERS} requests at once, {what}"
        outcomes += [
            Goal(least=1, less_is_better=True).outcome(
                "cold", f"{what}: queries", max(queries), measured=", ".join(map(str, queries))
            ),
            Goal(least=0, less_is_better=True).outcome("cold", f"{what}: failures", failures, measured=str(failures)),
        ]
    return Findings(outcomes=outcomes)


def _ask(laboratory: Laboratory, server: Server, url: str, *, rounds: int, first_key: int) -> tuple[list[int], int]:
    queries: list[int] = []
    failures = 0
    with laboratory.running(server) as started:
        for key in range(first_key, first_key + rounds):
            before = _queries(url)
            answers = callers.call_at_once(started.port, f"/benchmark/cold/{key}", connections=_CALLERS)
            queries.append(_queries(url) - before - 1)
            failures += answers.failures + answers.socket_errors
    return queries, failures


def _queries(url: str) -> int:
    """The next of the sequence: asking counts too."""
    return int(backends.query(url, "SELECT nextval('benchmark_queries')"))
