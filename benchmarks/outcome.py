"""One line of the report's table."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a figure stands to its goals."""

    STRETCH = "stretch reached"
    REACHED = "reached"
    MISSED = "**missed**"
    SHOWN = "–"
    """There is no goal."""
    ABSENT = "not measured"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was measured, beside what it should be. All texts are for the reader."""

    row: str
    what: str
    measured: str
    spread: str = ""
    least: str = "–"
    stretch: str = "–"
    verdict: Verdict = Verdict.SHOWN


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The least that a ratio should be, and more than that; the most, when less is better."""

    least: float
    stretch: float | None = None
    less_is_better: bool = False

    def verdict(self, value: float) -> Verdict:
        """How a measured ratio stands to the goal."""
        if self.stretch is not None and self._holds(value, self.stretch):
            return Verdict.STRETCH
        return Verdict.REACHED if self._holds(value, self.least) else Verdict.MISSED

    def text(self, value: float | None) -> str:
        """A bound as the table shows it."""
        if value is None:
            return "–"
        return f"≤ {value:g}" if self.less_is_better else f"{value:g} ×"

    def _holds(self, value: float, bound: float) -> bool:
        return value <= bound if self.less_is_better else value >= bound
