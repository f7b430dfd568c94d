"""Plans of managed databases, with the limits that their providers document."""

from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("database_plans.yml")

CUSTOM = "custom"
"""The answer to ``database_plan`` that names no plan, so that max_connections is a question."""

# A migration and a human; superuser slots and the like are the provider's.
RESERVED_BY_US = 2
LEAST_RESERVED = 5


@dataclass(frozen=True, kw_only=True)
class DatabasePlan:
    """One size of a managed database. Connections are counted."""

    name: str
    provider: str
    engine: str
    """As the question ``database`` calls it."""
    connections: int
    """What the database accepts in all, as it is delivered."""
    provider_reserved: int
    """Of them, what the provider keeps for itself."""
    source: str
    """The page that documents the limit."""
    read_on: date

    @property
    def reserved_connections(self) -> int:
        """The default of the question of that name, as ``copier.yml`` computes it."""
        return max(LEAST_RESERVED, self.provider_reserved + RESERVED_BY_US)

    def as_dict(self) -> dict[str, Any]:
        """The plan for machines."""
        return asdict(self) | {"read_on": self.read_on.isoformat()}


@cache
def read_plans() -> tuple[DatabasePlan, ...]:
    """All plans, sorted by provider, and those of a provider by size."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # The loader is a safe one; the C one is some ten times faster.
    providers = yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    return tuple(
        DatabasePlan(
            name=name,
            provider=provider["provider"],
            engine=provider["engine"],
            connections=plan["connections"],
            provider_reserved=plan["reserved"],
            source=provider["source"],
            read_on=provider["read_on"],
        )
        for provider in providers
        for name, plan in provider["plans"].items()
    )


def find_plan(name: str) -> DatabasePlan:
    """The plan of a name. Raises :class:`KeyError` when there is none."""
    return {plan.name: plan for plan in read_plans()}[name]


def larger_plans(plan: DatabasePlan) -> list[DatabasePlan]:
    """The same provider's plans that accept more connections, the next larger first."""
    return [other for other in read_plans() if other.provider == plan.provider and other.connections > plan.connections]
