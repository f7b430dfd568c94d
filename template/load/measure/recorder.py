"""Loaded by locust beside the locustfile: counts for as long as it is told, ends the run, keeps the figures.

It counts when all users have been there for a moment. Until then the service opens its connections
and fills its cache, which it does once in many hours.
"""

from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import httpx2
from locust import events
from locust.env import Environment
from locust.runners import Runner
from locust.stats import StatsEntry

from load.measure.figures import Endpoint, Failure, Traffic, write

_WARM_UP_SECONDS = 1


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--record", type=Path, required=True, help="The directory that the figures are written to.")
    parser.add_argument("--seconds", type=float, required=True, help="How long to count.")


@events.init.add_listener
def _install(environment: Environment, runner: Runner, **_: object) -> None:
    options: Any = environment.parsed_options
    recorder = _Recorder(runner, options.record, options.seconds)
    environment.events.spawning_complete.add_listener(recorder.warm_up)
    environment.events.test_stopping.add_listener(recorder.finish)
    environment.events.cpu_warning.add_listener(recorder.note_shortage)


class _Recorder:
    def __init__(self, runner: Runner, directory: Path, seconds: float) -> None:
        self._runner = runner
        self._directory = directory
        self._seconds = seconds
        self._started: float | None = None
        self._is_short_of_cpu = False

    def warm_up(self, **_: object) -> None:
        gevent.spawn_later(_WARM_UP_SECONDS, self._start)

    def finish(self, **_: object) -> None:
        if self._started is None:
            return
        seconds = monotonic() - self._started
        statistics = self._runner.stats
        entries = [entry for entry in statistics.entries.values() if entry.num_requests]
        traffic = Traffic(
            seconds=seconds,
            endpoints=[
                _endpoint(f"{entry.method} {entry.name}", entry, seconds)
                for entry in sorted(entries, key=lambda entry: (entry.name, entry.method))
            ],
            total=_endpoint("total", statistics.total, seconds),
            failures=self._failures(),
            is_short_of_cpu=self._is_short_of_cpu,
        )
        self._keep_metrics("end")
        write(self._directory / "traffic.json", traffic)

    def note_shortage(self, **_: object) -> None:
        self._is_short_of_cpu = True

    def _start(self) -> None:
        self._keep_metrics("start")
        self._runner.stats.reset_all()
        self._started = monotonic()
        gevent.spawn_later(self._seconds, self._runner.quit)

    def _failures(self) -> list[Failure]:
        counts: Counter[tuple[str, str]] = Counter()
        for error in self._runner.stats.errors.values():
            counts[f"{error.method} {error.name}", _text(error.error)] += error.occurrences
        for raised in self._runner.exceptions.values():
            counts["the locustfile", raised["msg"]] += raised["count"]
        return [Failure(endpoint=name, error=text, count=count) for (name, text), count in counts.most_common()]

    def _keep_metrics(self, moment: str) -> None:
        response = httpx2.get(f"{self._runner.environment.host}/metrics", timeout=30, trust_env=False)
        response.raise_for_status()
        (self._directory / f"metrics-{moment}.txt").write_text(response.text)


def _endpoint(name: str, entry: StatsEntry, seconds: float) -> Endpoint:
    return Endpoint(
        name=name,
        requests=entry.num_requests,
        failures=entry.num_failures,
        requests_per_second=entry.num_requests / seconds,
        p50=entry.get_response_time_percentile(0.5),
        p95=entry.get_response_time_percentile(0.95),
        p99=entry.get_response_time_percentile(0.99),
    )


def _text(error: Exception | str | None) -> str:
    # The text of a bad status has the URL in it: one failure would become as many as there are items.
    status = getattr(error, "code", None)
    return str(error) if status is None else f"status {status}"
