"""The rows that the template is tested in: every pair of choices stands in at least one of them.

The choices come from ``copier.yml`` itself, so a new one is covered, or the coverage test fails.
"""

from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import yaml
from covertable import make

ROOT = Path(__file__).parent.parent

Row = dict[str, Any]
Choice = tuple[str, Any]
Combination = frozenset[Choice]

# These decide numbers, not files; tests/unit holds every one of their answers to the formula.
_NUMBERS_ONLY = {"advanced", "database_plan", "worker_rule"}

REJECTED: dict[Combination, str] = {
    frozenset({("database", name), ("pgbouncer", True)}): f"PgBouncer stands in front of PostgreSQL only, not of {name}"
    for name in ("mysql", "sqlite")
}
"""Pairs of choices that the questionnaire refuses, with what it says of them."""


@cache
def choices() -> dict[str, list[Any]]:
    """The answers to each question that decides which files and lines are rendered."""
    questions: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {
        name: list(question["choices"].values()) if "choices" in question else [False, True]
        for name, question in questions.items()
        if not name.startswith("_") and _is_a_choice(name, question)
    }


@cache
def rows(strength: int = 2) -> list[Row]:
    """Rows in which every pair of choices stands, or every combination of ``strength`` of them."""
    constraints = [_without(pair) for pair in REJECTED]
    # How many rows it takes depends on where the search begins.
    made = min((make(choices(), strength=strength, constraints=constraints, salt=salt) for salt in "abcdefgh"), key=len)
    return [{name: row[name] for name in choices()} for row in made]


def rows_with_every_choice() -> list[Row]:
    """A few of the rows, in which each choice stands at least once."""
    found: list[Row] = []
    missing = {(name, value) for name, values in choices().items() for value in values}
    while missing:
        found.append(max(rows(), key=lambda row: len(missing & row.items())))
        missing -= found[-1].items()
    return found


def is_first_with(question: str, row: Row, *, strength: int = 2) -> bool:
    """Whether no row before this one has the same answer to the question."""
    return row == next(other for other in rows(strength) if other[question] == row[question])


def combinations_of_choices(strength: int = 2) -> set[Combination]:
    """Every combination that must be covered, by plain enumeration."""
    every = {
        frozenset(zip(names, values, strict=True))
        for names in combinations(choices(), strength)
        for values in product(*(choices()[name] for name in names))
    }
    return {combination for combination in every if not any(pair <= combination for pair in REJECTED)}


def combinations_in(row: Row, strength: int = 2) -> set[Combination]:
    """The combinations of choices that a row holds."""
    return {frozenset(combination) for combination in combinations(row.items(), strength)}


def name_of(row: Row) -> str:
    """A row's name in test reports; what there is no choice of, and what is off, is left out."""
    return "-".join(
        name if value is True else str(value)
        for name, value in row.items()
        if value is not False and len(choices()[name]) > 1
    )


def _is_a_choice(name: str, question: dict[str, Any]) -> bool:
    if name in _NUMBERS_ONLY or question.get("when") is False:
        return False
    return "choices" in question or question["type"] == "bool"


def _without(pair: Combination) -> dict[str, Any]:
    differences = [{"operator": "ne", "left": name, "value": value} for name, value in pair]
    return {"operator": "or", "conditions": differences}
