"""How much is measured, and how long that takes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Seconds are of one measurement."""

    rounds: int
    seconds: int
    wait_seconds: int
    pool_rounds: int
    pool_seconds: int
    cold_rounds: int
    levels: tuple[int, ...]
    level_seconds: int
    distinct_keys: int
    large_rounds: int
    large_seconds: int


FULL = Effort(
    rounds=5,
    seconds=3,
    wait_seconds=4,
    pool_rounds=3,
    pool_seconds=6,
    cold_rounds=3,
    levels=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    level_seconds=3,
    distinct_keys=100_000,
    large_rounds=3,
    large_seconds=3,
)
QUICK = Effort(
    rounds=2,
    seconds=1,
    wait_seconds=4,
    pool_rounds=1,
    pool_seconds=4,
    cold_rounds=1,
    levels=(1, 8, 64, 512),
    level_seconds=3,
    distinct_keys=20_000,
    large_rounds=1,
    large_seconds=2,
)
