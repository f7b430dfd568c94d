"""What an experiment hands back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Lines of the table, and the figures behind them, for plots and as JSON."""

    outcomes: Sequence[Outcome]
    figures: Mapping[str, Any] = field(default_factory=dict)
