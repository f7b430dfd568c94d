"""What is measured side by side, with the bare server in each block to see how steady the machine is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import claims
from benchmarks.cases import Case
from benchmarks.claims import Claim

STEADY_CASE = "raw"
CACHE = "cache"
"""The block of the cached answers."""
WAITS = "waits"
"""The block whose rounds are longer: a wait shows only in a round that lasts longer than it."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Claims about cases of one kind, and cases that are only shown, for the row of that name."""

    name: str
    claims: Sequence[Claim]
    shown: Mapping[str, Sequence[str]]

    @property
    def rows(self) -> list[str]:
        """The rows that it can measure."""
        return list(dict.fromkeys([*(claim.row for claim in self.claims), *self.shown]))

    def only(self, rows: Collection[str]) -> "Block":
        """The part of it that these rows need."""
        return Block(
            name=self.name,
            claims=[claim for claim in self.claims if claim.row in rows],
            shown={row: names for row, names in self.shown.items() if row in rows},
        )

    def cases(self, known: Mapping[str, Case]) -> list[Case]:
        """What has to be measured, each once; nothing when there is nothing to show."""
        needed = [name for claim in self.claims for name in claim.cases]
        needed += [name for names in self.shown.values() for name in names]
        return [known[name] for name in dict.fromkeys([STEADY_CASE, *needed])] if needed else []


BLOCKS = (
    Block(name=CACHE, claims=claims.CACHE, shown={}),
    Block(name="database", claims=claims.DATABASE, shown={}),
    Block(
        name=WAITS,
        claims=claims.WAITS,
        shown={"steps": ("best list, waits", "columns", "autocommit", "queued", "list, waits")},
    ),
    Block(name="routes", claims=claims.ROUTES, shown={}),
)
