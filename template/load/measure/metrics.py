"""From two looks at ``/metrics`` to what the service did in between."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from load.measure.figures import Inside, Route

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Values by name and labels."""

_FROM_CACHE = ("hit", "stale")
_MILLISECONDS = 1_000


def parse(text: str) -> Samples:
    """The counters and histograms in Prometheus' text format: all that only grows."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }


def difference(start: Samples, end: Samples) -> Samples:
    """What was added between the two; a sample that was not there at the start began at 0."""
    return {key: value - start.get(key, 0) for key, value in end.items()}


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The value that this share of the observations does not exceed; None without observations.

    ``buckets`` are cumulative counts by upper bound. Within a bucket observations are taken to be
    spread evenly, as Prometheus does; beyond the last finite bound, it is that bound.
    """
    rank = share * max(buckets.values(), default=0)
    if rank == 0:
        return None
    lower, below = 0.0, 0.0
    for upper, count in sorted(buckets.items()):
        if count >= rank:
            return lower if upper == float("inf") else lower + (upper - lower) * (rank - below) / (count - below)
        lower, below = upper, count
    return lower


def inside(samples: Samples) -> Inside:
    """What the service counted, from a difference of its metrics."""
    # The look at the metrics is a request, but no traffic.
    routes = sorted(_labels(samples, "http_requests_total", "route") - {"/metrics"})
    requests = {route: _sum(samples, "http_requests_total", route=route) for route in routes}
    queries = {route: _sum(samples, "database_queries_per_request_sum", route=route) for route in routes}
    waits = _sum(samples, "database_pool_wait_seconds_count")
    return Inside(
        routes=[
            Route(
                name=route,
                requests=round(requests[route]),
                queries_per_request=_share(queries[route], requests[route]),
                cache_hit_rate=_cache_hit_rate(samples, route=route),
            )
            for route in routes
            if requests[route] > 0
        ],
        queries_per_request=_share(sum(queries.values()), sum(requests.values())),
        cache_hit_rate=_cache_hit_rate(samples),
        pool_wait_mean=_milliseconds(_share(_sum(samples, "database_pool_wait_seconds_sum"), waits)),
        pool_wait_p95=_milliseconds(quantile(0.95, _buckets(samples, "database_pool_wait_seconds"))),
    )


def _cache_hit_rate(samples: Samples, **labels: str) -> float | None:
    answered = sum(_sum(samples, "cache_requests_total", result=result, **labels) for result in _FROM_CACHE)
    return _share(answered, _sum(samples, "cache_requests_total", **labels))


def _buckets(samples: Samples, name: str) -> dict[float, float]:
    bounds = _labels(samples, f"{name}_bucket", "le")
    return {float(bound): _sum(samples, f"{name}_bucket", le=bound) for bound in bounds}


def _sum(samples: Samples, name: str, **labels: str) -> float:
    wanted = labels.items()
    return sum(value for (found, has), value in samples.items() if found == name and has >= wanted)


def _labels(samples: Samples, name: str, label: str) -> set[str]:
    return {value for found, labels in samples if found == name for key, value in labels if key == label}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * _MILLISECONDS
