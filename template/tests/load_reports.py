"""Reports of load that nobody has run."""

from load.measure.figures import Endpoint, Inside, Load, Report, Route, Traffic

LOAD = Load(users=20, spawn_rate=20, seconds=1)


def report_of(label: str, *, p95: float = 20, cache_hit_rate: float | None = 0.5) -> Report:
    """A report as a run of ten seconds would give it."""
    endpoint = Endpoint(name="GET /things", requests=100, failures=0, requests_per_second=10, p50=4, p95=p95, p99=30)
    return Report(
        label=label,
        measured_at="2026-01-01 12:00 UTC",
        machine="2 cores",
        load=LOAD,
        plan={"deployment": {"workers": 1}, "pool_size": 4},
        traffic=Traffic(seconds=10, endpoints=[endpoint], total=endpoint, failures=[], is_short_of_cpu=False),
        inside=Inside(
            routes=[Route(name="/things", requests=100, queries_per_request=1.5, cache_hit_rate=cache_hit_rate)],
            queries_per_request=1.5,
            cache_hit_rate=cache_hit_rate,
            pool_wait_mean=0.25,
            pool_wait_p95=None,
        ),
    )
