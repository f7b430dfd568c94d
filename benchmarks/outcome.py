"""One line of the report's table."""

from dataclasses import dataclass
from enum import StrEnum

_NONE = "–"


class Verdict(StrEnum):
    """How a figure stands to its goals."""

    STRETCH = "stretch reached"
    REACHED = "reached"
    MISSED = "**missed**"
    SHOWN = _NONE
    """There is no goal."""
    ABSENT = "not measured"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was measured, beside what it should be. All texts are for the reader."""

    row: str
    what: str
    measured: str
    spread: str = ""
    least: str = _NONE
    stretch: str = _NONE
    verdict: Verdict = Verdict.SHOWN


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The least that a figure should be, and more than that; the most, when less is better."""

    least: float
    stretch: float | None = None
    less_is_better: bool = False

    def verdict(self, value: float) -> Verdict:
        """How a figure stands to the goal."""
        if self.stretch is not None and self._holds(value, self.stretch):
            return Verdict.STRETCH
        return Verdict.REACHED if self._holds(value, self.least) else Verdict.MISSED

    def outcome(self, row: str, what: str, value: float, *, measured: str, spread: str = "") -> Outcome:
        """The line of the table for a figure, which ``measured`` shows."""
        return Outcome(
            row=row,
            what=what,
            measured=measured,
            spread=spread,
            least=self._text(self.least),
            stretch=_NONE if self.stretch is None else self._text(self.stretch),
            verdict=self.verdict(value),
        )

    def _text(self, bound: float) -> str:
        return f"≤ {bound:g}" if self.less_is_better else f"{bound:g}"

    def _holds(self, value: float, bound: float) -> bool:
        return value <= bound if self.less_is_better else value >= bound
