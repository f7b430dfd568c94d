"""The rows that the template is tested in: every pair of choices stands in at least one of them.

The choices come from ``copier.yml`` itself, so a new one is covered, or the coverage test fails.
"""

from itertools import combinations, product
from pathlib import Path
from typing import Any

import yaml
from covertable import make

ROOT = Path(__file__).parent.parent

Row = dict[str, str]
Pair = frozenset[tuple[str, str]]


def choices() -> dict[str, list[str]]:
    """The values of each question that decides which files and lines are rendered."""
    questions: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
    return {
        name: list(question["choices"].values())
        for name, question in questions.items()
        if not name.startswith("_") and "choices" in question and question.get("when") is None
    }


# What is no choice of everyone's but renders files of its own, among the choices that it could disagree with.
ROWS_WITH_DETAILS: list[Row] = [
    {"database": "postgresql", "cache_backend": "none", "worker_strategy": "single", "task_queue": "none"},
    {"database": "postgresql", "cache_backend": "redis", "worker_strategy": "uvicorn", "task_queue": "celery-redis"},
]


def rows() -> list[Row]:
    """Rows in which every pair of choices stands, the presets' combinations among them, and rows with details."""
    pairwise: list[Row] = [dict(row) for row in make(choices(), strength=2)]
    return pairwise + [{**row, "deployment_target": "compose", "pgbouncer": "true"} for row in ROWS_WITH_DETAILS]


def rows_with_every_choice() -> list[Row]:
    """A few of the rows, in which each choice stands at least once."""
    found: list[Row] = []
    missing = {(name, value) for name, values in choices().items() for value in values}
    while missing:
        found.append(max(rows(), key=lambda row: len(missing & row.items())))
        missing -= found[-1].items()
    return found


def pairs_of_choices() -> set[Pair]:
    """Every pair that must be covered, by plain enumeration."""
    return {
        frozenset({(one, left), (other, right)})
        for (one, lefts), (other, rights) in combinations(choices().items(), 2)
        for left, right in product(lefts, rights)
    }


def pairs_in(row: Row) -> set[Pair]:
    """The pairs of choices that a row holds."""
    return {frozenset(pair) for pair in combinations(row.items(), 2)}


def name_of(row: Row) -> str:
    """A row's name in test reports; values that there is no choice of are left out."""
    words = [value for name, value in row.items() if len(choices().get(name, [])) > 1]
    return "-".join([*words, "pgbouncer"] if "pgbouncer" in row else words)
