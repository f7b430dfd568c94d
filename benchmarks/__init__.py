"""What proves Paceline's speed claims: ``uv run --group benchmarks python -m benchmarks``.

It needs Linux, two cores and wrk. ``cases`` and ``claims`` say what is measured and what it should be,
``opponents`` are what the service is compared with, ``variants`` are the service with small additions,
``experiments`` are the rows that count. All of it stands on a ``laboratory``: services rendered from the
template, a seeded PostgreSQL and a Valkey, started for the run and ended with it.
"""
