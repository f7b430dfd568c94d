"""What is made of samples: medians, their spread, and ratios of medians."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.rounds import Sample


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A median, and the least and the most of what it is the median of."""

    median: float
    least: float
    most: float

    @property
    def spread(self) -> float:
        """The range, relative to the median."""
        return (self.most - self.least) / self.median if self.median else 0.0


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """Something measured."""

    name: str
    of: Callable[[Sample], float]


RATE = Quantity(name="requests/s", of=lambda sample: sample.load.requests_per_second)
CPU = Quantity(name="CPU", of=lambda sample: sample.cpu_microseconds)
P50 = Quantity(name="p50", of=lambda sample: sample.load.p50)
P95 = Quantity(name="p95", of=lambda sample: sample.load.p95)
P99 = Quantity(name="p99", of=lambda sample: sample.load.p99)


@dataclass(frozen=True, kw_only=True)
class CaseFigures:
    """One case over all rounds. Times are in milliseconds, CPU is in microseconds for each request."""

    rate: Figure
    cpu: Figure
    p50: Figure
    p95: Figure
    p99: Figure
    bytes_per_answer: float
    failures: int
    """Answers with a status of 400 or more, in all rounds."""
    socket_errors: int
    core_wait: float
    """The greatest share of a round in which the server was kept from its core."""


def figures_of(samples: Sequence[Sample]) -> CaseFigures:
    """What is reported of one case."""
    return CaseFigures(
        rate=_over_rounds(samples, RATE),
        cpu=_over_rounds(samples, CPU),
        p50=_over_rounds(samples, P50),
        p95=_over_rounds(samples, P95),
        p99=_over_rounds(samples, P99),
        bytes_per_answer=median(sample.load.bytes_per_answer for sample in samples),
        failures=sum(sample.load.failures for sample in samples),
        socket_errors=sum(sample.load.socket_errors for sample in samples),
        core_wait=max(sample.core_wait for sample in samples),
    )


def ratio_of(samples: Sequence[Sample], others: Sequence[Sample], quantity: Quantity) -> Figure:
    """The median of one case ÷ that of another; the range is of the ratios within each round."""
    within = [_divide(quantity.of(one), quantity.of(other)) for one, other in zip(samples, others, strict=True)]
    above, below = _over_rounds(samples, quantity), _over_rounds(others, quantity)
    return Figure(median=_divide(above.median, below.median), least=min(within), most=max(within))


def figure(values: Sequence[float]) -> Figure:
    """The median and the range of values."""
    return Figure(median=median(values), least=min(values), most=max(values))


def _over_rounds(samples: Sequence[Sample], quantity: Quantity) -> Figure:
    return figure([quantity.of(sample) for sample in samples])


def _divide(above: float, below: float) -> float:
    # A server that answered nothing has no figure to divide by; the ratio is then very large, not an error.
    return above / max(below, 1e-9)
