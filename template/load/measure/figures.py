"""The figures of one measured run, and the file that keeps them. Times are milliseconds, durations seconds."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the service is given to do."""

    users: int
    spawn_rate: int
    """Users that come each second until all are there; what they ask until then is not counted."""
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """How one endpoint was answered, as its callers saw it."""

    name: str
    requests: int
    failures: int
    requests_per_second: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error that callers saw, and how often."""

    endpoint: str
    error: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """All that the callers saw."""

    seconds: float
    endpoints: list[Endpoint]
    total: Endpoint
    failures: list[Failure]
    is_short_of_cpu: bool
    """Whether the callers themselves had too little of it, so that the times are partly theirs."""

    @property
    def failed(self) -> int:
        """How many requests failed, or ended in an error of the locustfile."""
        return sum(failure.count for failure in self.failures)


@dataclass(frozen=True, kw_only=True)
class Route:
    """What the service counted for one route; None where it counts no such thing."""

    name: str
    requests: int
    queries_per_request: float | None
    cache_hit_rate: float | None


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What the service counted; None where it counts no such thing, or had nothing to count."""

    routes: list[Route]
    queries_per_request: float | None
    cache_hit_rate: float | None
    """Share of the requests for cached routes that were answered from the cache, stale ones included."""
    pool_wait_mean: float | None
    pool_wait_p95: float | None
    """From the buckets of a histogram: between two bounds it is an estimate."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """One measured run."""

    label: str
    measured_at: str
    machine: str
    load: Load
    plan: dict[str, Any]
    traffic: Traffic
    inside: Inside


def write(path: Path, figures: Report | Traffic) -> None:
    """Keep the figures as JSON."""
    path.write_bytes(TypeAdapter(type(figures)).dump_json(figures, indent=2) + b"\n")


def read_report(path: Path) -> Report:
    """The figures of an earlier run. Ends the process with the reason when there are none."""
    try:
        return TypeAdapter(Report).validate_json(path.read_bytes())
    except FileNotFoundError:
        sys.exit(f"There is no {path}; measure with --label {path.parent.name} first.")
    except ValidationError:
        sys.exit(f"{path} is of another version; measure with --label {path.parent.name} again.")
