"""Where the processor time of a cached answer goes: what limits the ratios to the bare server."""

from collections.abc import Mapping, Sequence

from benchmarks.figures import CaseFigures

# The bare server's answer, the cache's alone, and the service's.
_ANSWERS = {
    "hit in memory": ("raw", "hit, cache alone", "hit"),
    "304": ("raw 304", "304, cache alone", "304"),
    "hit in Valkey": ("raw", "Valkey hit, cache alone", "Valkey hit"),
    "near hit": ("raw", "near hit, cache alone", "near hit"),
    "dashboard hit": ("raw dashboard", "dashboard, cache alone", "dashboard"),
}

HEAD = ("answer", "the bare server", "the cache", "request id, metrics, log line", "together, µs")


def rows(cases: Mapping[str, CaseFigures]) -> Sequence[tuple[str, ...]]:
    """For each answer whose three cases were measured: microseconds of the server's time, by part."""
    measured = {answer: names for answer, names in _ANSWERS.items() if set(names) <= cases.keys()}
    return [_row(answer, *(cases[name].cpu.median for name in names)) for answer, names in measured.items()]


def _row(answer: str, bare: float, with_cache: float, served: float) -> tuple[str, ...]:
    parts = (bare, with_cache - bare, served - with_cache, served)
    return (answer, *(f"{part:.1f}" for part in parts))
