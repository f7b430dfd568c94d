"""What a version of the template would cost services of an earlier one, unless ``UPGRADING.md`` says it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from paceline.errors import PacelineError
from paceline.presets import PRESETS
from paceline.questions import Question, read_questions
from paceline.rendering import reconsidered_answers
from paceline.snapshot import take_snapshot
from update.services import address
from update.small_template import git


def unnamed_files(template: Path, before: str, after: str) -> list[str]:
    """Files of a version that a later one no longer has, and that its notes do not name."""
    notes = git(template, "show", f"{after}:UPGRADING.md")
    gone = _rendered_names(template, before) - _rendered_names(template, after)
    return sorted(name for name in gone if name not in notes)


def lost_answers(template: Path, before: str, after: str, answers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Answers that services of a version have stored, and that a later one refuses, resets or forgets.

    ``answers`` are those that the services were made with. A question that is gone may be, where the notes name it.
    """
    with take_snapshot(address(template)) as snapshot:
        old, new = (snapshot.export(snapshot.resolve(version)) for version in (before, after))
        notes = snapshot.read(snapshot.resolve(after), "UPGRADING.md") or ""
        found = {lost for given in answers for lost in _lost(old, new, given, notes)}
    return sorted(found)


def usual_answers() -> list[dict[str, Any]]:
    """None, all questions with their defaults, and the presets."""
    return [{}, {"advanced": True}, *map(dict, PRESETS.values())]


def single_choices(template: Path, version: str) -> list[dict[str, Any]]:
    """Each choice of each question of a version."""
    with take_snapshot(address(template)) as snapshot:
        questions = read_questions(snapshot.export(snapshot.resolve(version)))
    return [{question.name: choice} for question in questions for choice in _choices(question)]


def _choices(question: Question) -> Iterable[object]:
    if question.is_computed or question.name == "database_plan":
        return ()
    return (True, False) if question.type is bool else question.choices


def _rendered_names(template: Path, version: str) -> set[str]:
    listed = git(template, "ls-tree", "-r", "--name-only", version, "template").splitlines()
    names = (name.removeprefix("template/").removesuffix(".jinja") for name in listed)
    return {name for name in names if not name.startswith("_parts/")}


def _lost(old: Path, new: Path, given: Mapping[str, Any], notes: str) -> list[str]:
    known = {question.name for question in read_questions(old)}
    asked = {name: answer for name, answer in given.items() if name in known}
    stored = _stored(old, asked)
    if stored is None:
        return []
    try:
        kept = reconsidered_answers(new, stored, {}).stored_answers
    except PacelineError as error:
        return [f"{asked}: {error}"]
    return [
        f"{name}: {answer}"
        for name, answer in stored.items()
        if kept.get(name) != answer and not (name not in kept and f"`{name}`" in notes)
    ]


def _stored(template: Path, given: dict[str, Any]) -> dict[str, Any] | None:
    """What a service with these answers stores; None where they make none."""
    for more in ({}, {"database": "postgresql"}):
        try:
            return dict(reconsidered_answers(template, {}, more | given).stored_answers)
        except PacelineError:
            continue
    return None
