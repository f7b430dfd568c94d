"""Measurements in rounds: in each round every case once, so that a busy machine slows them alike."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks import processes
from benchmarks.cases import Case
from benchmarks.laboratory import Laboratory, answer_of
from benchmarks.servers import Running
from benchmarks.wrk import Load, Request, put_under_load


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One case in one round."""

    load: Load
    cpu_microseconds: float
    """CPU time of the server's processes for one request."""


Samples = dict[str, list[Sample]]
"""By the name of the case, one for each round."""


@dataclass(frozen=True, kw_only=True)
class Duration:
    """How long to measure. Seconds are of one case in one round."""

    rounds: int
    seconds: int
    warm_up_seconds: int = 1


def measure(cases: Sequence[Case], laboratory: Laboratory, duration: Duration, say: Callable[[str], None]) -> Samples:
    """Start the servers of the cases, warm each case up, and measure all of them round by round.

    Raises ``RuntimeError`` when a server does not start or answers otherwise than its case expects.
    """
    samples: Samples = {case.name: [] for case in cases}
    with ExitStack() as stack:
        started = {}
        for server in dict.fromkeys(case.server.name for case in cases):
            case = next(case for case in cases if case.server.name == server)
            started[server] = stack.enter_context(laboratory.running(case.server))
        for case in cases:
            _measure_once(case, started[case.server.name], duration.warm_up_seconds)
        for number in range(duration.rounds):
            say(f"round {number + 1} of {duration.rounds}")
            # Back and forth, so that no case always follows the same other one.
            for case in cases if number % 2 == 0 else reversed(cases):
                samples[case.name].append(_measure_once(case, started[case.server.name], duration.seconds))
    return samples


def _measure_once(case: Case, server: Running, seconds: int) -> Sample:
    request = _prepared(case, server)
    pids = server.pids
    before = processes.cpu_seconds(pids)
    load = put_under_load(server.port, request, connections=case.connections, seconds=seconds)
    used = processes.cpu_seconds(pids) - before
    return Sample(load=load, cpu_microseconds=used / max(1, load.requests) * 1e6)


def _prepared(case: Case, server: Running) -> Request:
    """The request as it is sent; asked once, so that the answer is known to be the expected one and is cached."""
    request = case.request
    path = request.path.replace("{n}", "1")
    headers = dict(request.headers)
    if request.is_conditional:
        current = answer_of(server.port, path, headers)
        headers["If-None-Match"] = dict(current["headers"])["etag"]
    answer = answer_of(server.port, path, headers, request.method, request.body)
    if answer["status"] != request.status:
        raise RuntimeError(
            f"{case.name}: {request.method} {path} was answered {answer['status']}, not {request.status}"
        )
    return Request(
        path=request.path,
        method=request.method,
        headers=tuple(headers.items()),
        body=request.body,
        count=request.count,
        status=request.status,
    )
