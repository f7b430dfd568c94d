"""What a peer brings to the block of the peers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.claims import Claim


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Its project, what is asked of it, and what is made of that beside the service."""

    name: str
    project: Path
    """Where its server is started."""
    cases: Sequence[Case]
    claims: Sequence[Claim]
