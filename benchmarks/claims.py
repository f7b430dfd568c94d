"""The ratios of the table: which case over which, in what, and how much it should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import CPU, P99, RATE, Figure, Quantity, ratio_of
from benchmarks.outcome import Goal, Outcome
from benchmarks.rounds import Sample


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A case ÷ another one, in one quantity. CPU is the other way round: how many times less it takes."""

    row: str
    what: str
    case: str
    over: str
    quantity: Quantity = RATE
    goal: Goal | None = None

    @property
    def cases(self) -> tuple[str, str]:
        """The names of the cases that have to be measured for it."""
        return self.case, self.over

    def outcome(self, samples: Mapping[str, Sequence[Sample]]) -> Outcome:
        """The line of the table."""
        ratio = self._ratio(samples)
        what = f"{self.what}: {self.quantity.name}"
        measured, spread = f"{ratio.median:.2f}", f"{ratio.least:.2f}–{ratio.most:.2f}"
        if self.goal is None:
            return Outcome(row=self.row, what=what, measured=measured, spread=spread)
        return self.goal.outcome(self.row, what, ratio.median, measured=measured, spread=spread)

    def _ratio(self, samples: Mapping[str, Sequence[Sample]]) -> Figure:
        if self.quantity is CPU:
            return ratio_of(samples[self.over], samples[self.case], CPU)
        return ratio_of(samples[self.case], samples[self.over], self.quantity)


def _both(row: str, what: str, case: str, over: str, goal: Goal | None) -> tuple[Claim, Claim]:
    return (
        Claim(row=row, what=what, case=case, over=over, goal=goal),
        Claim(row=row, what=what, case=case, over=over, quantity=CPU, goal=goal),
    )


def _wait(what: str, case: str, over: str) -> Claim:
    goal = Goal(least=0.3, stretch=0.1, less_is_better=True)
    return Claim(row="waits", what=what, case=case, over=over, quantity=P99, goal=goal)


_DASHBOARD = Goal(least=0.3, stretch=0.5)
_MIDDLEWARE = Goal(least=0.7, stretch=0.9)
_ROUTES = Goal(least=0.9, stretch=1)

CACHE = (
    *_both("hit", "hit in memory ÷ raw, cache alone", "hit, cache alone", "raw", Goal(least=0.8, stretch=0.9)),
    *_both("hit", "hit in memory ÷ raw, as served", "hit", "raw", Goal(least=0.65, stretch=0.9)),
    *_both("304", "304 ÷ raw 304, cache alone", "304, cache alone", "raw 304", Goal(least=0.75, stretch=0.9)),
    *_both("304", "304 ÷ raw 304, as served", "304", "raw 304", None),
    *_both("redis", "hit in Valkey ÷ raw, cache alone", "Valkey hit, cache alone", "raw", Goal(least=0.4, stretch=0.6)),
    *_both("redis", "hit in Valkey ÷ raw, as served", "Valkey hit", "raw", None),
    *_both("near", "near hit ÷ raw, cache alone", "near hit, cache alone", "raw", Goal(least=0.65, stretch=0.85)),
    *_both("near", "near hit ÷ raw, as served", "near hit", "raw", None),
    *_both("compressed", "compressed hit ÷ plain hit", "compressed hit", "hit", Goal(least=0.9, stretch=0.98)),
    *_both("uncached", "hit ÷ no cache", "hit", "no cache", Goal(least=30, stretch=50)),
    # What the goal was set from: the usual read, which the service's own uncached one is no longer.
    *_both("uncached", "hit ÷ best practice's uncached list", "hit", "best list", None),
    *_both("dashboard", "dashboard hit ÷ raw, cache alone", "dashboard, cache alone", "raw dashboard", _DASHBOARD),
    *_both("dashboard", "dashboard hit ÷ raw, as served", "dashboard", "raw dashboard", _DASHBOARD),
)

DATABASE = (
    *_both("list", "list ÷ best practice", "list", "best list", Goal(least=2.4, stretch=5)),
    *_both("tutorial", "list ÷ tutorial, 8 connections", "list, 8", "tutorial, 8", Goal(least=8, stretch=20)),
    *_both("item", "one item ÷ best practice", "item", "best item", Goal(least=2.2, stretch=4.5)),
    *_both("patch", "one-row PATCH ÷ best practice", "patch", "best patch", Goal(least=2, stretch=4)),
)

WAITS = (
    _wait("list ÷ best practice, 64 connections", "list, waits", "best list, waits"),
    _wait("list ÷ best practice, 300 connections", "list, waits of 300", "best list, waits of 300"),
)

ROUTES = (
    *_both("middleware", "list from memory, middleware ÷ none", "memory list, middleware", "memory list", _MIDDLEWARE),
    *_both(
        "middleware",
        "list from memory, compressed ÷ none",
        "memory list, middleware, compressed",
        "memory list",
        None,
    ),
    *_both("routes", "list behind 100 nested routes ÷ without", "list, crowded", "list", _ROUTES),
    *_both(
        "routes",
        "list from memory behind them ÷ without",
        "memory list, crowded",
        "memory list, middleware",
        _ROUTES,
    ),
)
