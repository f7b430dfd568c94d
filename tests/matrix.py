"""The rows that the template is tested in: every pair of choices stands in at least one of them.

The choices come from ``copier.yml`` itself, so a new one is covered, or the coverage test fails.
"""

from collections.abc import Sequence
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

# This decides files beside the service's code, which a suite cannot tell apart.
_BESIDE_THE_CODE = "deployment_target"

REJECTED: dict[Combination, str] = {
    **{
        frozenset(
            {("database", name), ("pgbouncer", True)}
        ): f"PgBouncer stands in front of PostgreSQL only, not of {name}"
        for name in ("mysql", "sqlite")
    },
    **{
        frozenset({("database", "sqlite"), ("deployment_target", name)}): "SQLite is a file on one machine"
        for name in ("kubernetes", "render", "fly", "heroku")
    },
    **{
        frozenset(
            {("pgbouncer", True), ("deployment_target", name)}
        ): f"compose, kubernetes and systemd only, not on {name}"
        for name in ("render", "fly", "heroku")
    },
    frozenset(
        {("cache_backend", "memcached"), ("deployment_target", "heroku")}
    ): "Memcached on Heroku asks for a password",
}
"""Pairs of choices that the questionnaire refuses, with what it says of them."""


@cache
def choices() -> dict[str, list[Any]]:
    """The answers to each question that decides which files and lines are rendered."""
    questions: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {
        name: [_answer(choice) for choice in question["choices"].values()] if "choices" in question else [False, True]
        for name, question in questions.items()
        if not name.startswith("_") and _is_a_choice(name, question)
    }


@cache
def rows(strength: int = 2) -> list[Row]:
    """Rows in which every pair of choices stands, or every combination of ``strength`` of them; suites' rows first."""
    made = _make(choices(), strength, presets=[dict(row) for row in suite_rows(strength)])
    ordered = [{name: row[name] for name in choices()} for row in made]
    return suite_rows(strength) + [row for row in ordered if row not in suite_rows(strength)]


@cache
def suite_rows(strength: int = 2) -> list[Row]:
    """Rows in which every pair of choices stands that the service's own code is made by, each deployed somewhere."""
    of_the_code = {name: answers for name, answers in choices().items() if name != _BESIDE_THE_CODE}
    # How many rows it takes depends on where the search begins.
    made = min((_make(of_the_code, strength, salt=salt) for salt in "abcdefghijklmnopqrstuvwxyz"), key=len)
    missing = {pair for pair in combinations_of_choices() if _BESIDE_THE_CODE in dict(pair)}
    found: list[Row] = []
    for row in made:
        deployed = [{name: (row | {_BESIDE_THE_CODE: place})[name] for name in choices()} for place in _places(row)]
        found.append(max(deployed, key=lambda row: len(missing & combinations_in(row))))
        missing -= combinations_in(found[-1])
    return found


def rows_with_every_choice() -> list[Row]:
    """A few of the suites' rows, in which each choice stands at least once, wherever they are deployed."""
    found: list[Row] = []
    of_the_code = {name: answers for name, answers in choices().items() if name != _BESIDE_THE_CODE}
    missing = {(name, answer) for name, answers in of_the_code.items() for answer in answers}
    while missing:
        found.append(max(suite_rows(), key=lambda row: len(missing & row.items())))
        missing -= found[-1].items()
    return found


def is_first_with(question: str, row: Row, *, strength: int = 2) -> bool:
    """Whether no suite's row before this one has the same answer to the question."""
    return row == next(other for other in suite_rows(strength) if other[question] == row[question])


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


def _make(factors: dict[str, list[Any]], strength: int, salt: str = "", presets: Sequence[Row] = ()) -> list[Row]:
    constraints = [_without(pair) for pair in REJECTED if dict(pair).keys() <= factors.keys()]
    return make(factors, strength=strength, constraints=constraints, salt=salt, presets=list(presets))


def _places(row: Row) -> list[Any]:
    return [
        place
        for place in choices()[_BESIDE_THE_CODE]
        if not any(pair <= {*row.items(), (_BESIDE_THE_CODE, place)} for pair in REJECTED)
    ]


def _answer(choice: Any) -> Any:  # noqa: ANN401 - whatever a YAML file holds
    return choice["value"] if isinstance(choice, dict) else choice


def _is_a_choice(name: str, question: dict[str, Any]) -> bool:
    if name in _NUMBERS_ONLY or question.get("when") is False:
        return False
    return "choices" in question or question["type"] == "bool"


def _without(pair: Combination) -> dict[str, Any]:
    differences = [{"operator": "ne", "left": name, "value": value} for name, value in pair]
    return {"operator": "or", "conditions": differences}
