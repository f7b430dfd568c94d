"""Measurements in rounds: in each round every case once, so that a busy machine slows them alike."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks import callers, processes, wrk
from benchmarks.cases import Case
from benchmarks.laboratory import Laboratory
from benchmarks.probe import answer_of
from benchmarks.servers import Running
from benchmarks.wrk import Load, Request

_WARM_UP_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One case in one round."""

    load: Load
    cpu_microseconds: float
    """CPU time of the server's processes for one request."""
    core_wait: float
    """The share of the round in which the server's threads were ready, but not on their core."""


Samples = dict[str, list[Sample]]
"""By the name of the case, one for each round."""


def measure(
    cases: Sequence[Case], laboratory: Laboratory, *, rounds: int, seconds: int, say: Callable[[str], None]
) -> Samples:
    """Start the servers of the cases, warm each case up, and measure all of them round by round.

    Raises ``RuntimeError`` when a server does not start or answers otherwise than its case expects.
    """
    samples: Samples = {case.name: [] for case in cases}
    with ExitStack() as stack:
        servers = {case.server.name: case.server for case in cases}
        started = {name: stack.enter_context(laboratory.running(server)) for name, server in servers.items()}
        for case in cases:
            _measure_once(case, started[case.server.name], _WARM_UP_SECONDS)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            # Back and forth, so that no case always follows the same other one.
            for case in cases if number % 2 == 0 else reversed(cases):
                samples[case.name].append(_measure_once(case, started[case.server.name], seconds))
    return samples


def check(cases: Sequence[Case], laboratory: Laboratory) -> None:
    """Start the servers of the cases, ask each case once, and end them again. Raises as :func:`measure` does."""
    with ExitStack() as stack:
        for case in cases:
            _prepared(case, stack.enter_context(laboratory.running(case.server)))


def _measure_once(case: Case, server: Running, seconds: int) -> Sample:
    request = _prepared(case, server)
    pids = server.pids
    cpu, waited, started = processes.cpu_seconds(pids), processes.waited_seconds(pids), time.perf_counter()
    load = _load(case, server.port, request, seconds)
    passed = time.perf_counter() - started
    return Sample(
        load=load,
        cpu_microseconds=(processes.cpu_seconds(pids) - cpu) / max(1, load.requests) * 1e6,
        core_wait=(processes.waited_seconds(pids) - waited) / passed,
    )


def _load(case: Case, port: int, request: Request, seconds: int) -> Load:
    if case.counts_unanswered:
        return callers.call_for(port, request, connections=case.connections, seconds=seconds)
    return wrk.put_under_load(port, request, connections=case.connections, seconds=seconds)


def _prepared(case: Case, server: Running) -> Request:
    """The request as it is sent; asked once, so that the answer is known to be the expected one and is cached."""
    request = case.request
    path = request.path.replace("{n}", "1")
    headers = dict(request.headers)
    if request.is_conditional:
        headers["If-None-Match"] = answer_of(server.port, path, headers).header("etag")
    answer = answer_of(server.port, path, headers, method=request.method, body=request.body)
    if answer.status != request.status:
        raise RuntimeError(f"{case.name}: {request.method} {path} was answered {answer.status}, not {request.status}")
    return replace(request, headers=tuple(headers.items()))
