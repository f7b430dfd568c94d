"""What proves Paceline's speed claims: ``uv run --group benchmarks python -m benchmarks``."""
