"""What is made of samples: medians, their spread, and ratios of medians."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.rounds import Sample


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """Something measured, and whether more of it is better."""

    name: str
    unit: str
    of: Callable[[Sample], float]
    more_is_better: bool


RATE = Quantity(name="requests/s", unit="1/s", of=lambda sample: sample.load.requests_per_second, more_is_better=True)
CPU = Quantity(name="CPU", unit="µs", of=lambda sample: sample.cpu_microseconds, more_is_better=False)
P99 = Quantity(name="p99", unit="ms", of=lambda sample: sample.load.p99, more_is_better=False)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A median and the least and the most of what it is the median of."""

    median: float
    least: float
    most: float

    @property
    def spread(self) -> float:
        """The range, relative to the median."""
        return (self.most - self.least) / self.median if self.median else 0.0


def figure_of(samples: Sequence[Sample], quantity: Quantity) -> Figure:
    """One quantity over all rounds."""
    return _figure([quantity.of(sample) for sample in samples])


def ratio_of(samples: Sequence[Sample], others: Sequence[Sample], quantity: Quantity) -> Figure:
    """The median of one case ÷ that of another; the range is of the ratios within each round."""
    within = [quantity.of(one) / max(quantity.of(other), 1e-9) for one, other in zip(samples, others, strict=True)]
    above, below = figure_of(samples, quantity).median, figure_of(others, quantity).median
    return Figure(median=above / max(below, 1e-9), least=min(within), most=max(within))


def _figure(values: Sequence[float]) -> Figure:
    return Figure(median=median(values), least=min(values), most=max(values))
