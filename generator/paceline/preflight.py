"""Whether a service's stored answers hold under the rules of another version of the template.

Copier drops a stored answer that a rule refuses, and takes the default without a word; what is found here first is a
sentence instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline.errors import InvalidAnswerError, PacelineError
from paceline.planning import plan_for
from paceline.questions import read_questions

if TYPE_CHECKING:
    from paceline.rendering import Rendering


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of the template: its files in a plain directory, and its name."""

    template: Path
    name: str


def plan_before(version: Version, stored: Mapping[str, Any]) -> dict[str, str]:
    """The plan that a service has: each line with its value.

    Raises :class:`PacelineError` for a stored answer that the version refuses, which was then written by hand.
    """
    from paceline.rendering import reconsidered_answers

    remedy = (
        "it was written by hand: put back the answer that the files were made with (`paceline status` names it),"
        " commit, and use --set"
    )
    _check_can_be_answers(version, stored, remedy=remedy)
    answers = reconsidered_answers(version.template, stored, {})
    _check_is_kept(version, answers, stored, remedy=remedy)
    return plan_in_words(answers.answers)


def plan_after(
    version: Version, stored: Mapping[str, Any], given: Mapping[str, Any], suggested: Mapping[str, Any]
) -> dict[str, str]:
    """The plan that a service would have when some answers are given anew: each line with its value.

    Raises :class:`PacelineError` for a given or a stored answer that the version refuses.
    """
    from paceline.rendering import reconsidered_answers

    remedy = "give another with --set NAME=VALUE"
    kept = {name: answer for name, answer in stored.items() if name not in given}
    _check_can_be_answers(version, kept, remedy=remedy)
    answers = reconsidered_answers(version.template, stored, given, suggested=suggested)
    _check_is_kept(version, answers, kept, remedy=remedy)
    return plan_in_words(answers.answers)


def plan_in_words(answers: Mapping[str, Any]) -> dict[str, str]:
    """Each line of the plan with its value; none for answers to other questions than this version's."""
    try:
        return {row.name: row.value for row in plan_for(answers).rows()}
    except KeyError:
        return {}


def _check_can_be_answers(version: Version, stored: Mapping[str, Any], *, remedy: str) -> None:
    """Raise for the first stored answer of another type than its question's, for which copier has no sentence."""
    for question in read_questions(version.template):
        try:
            if question.name in stored and not question.is_computed:
                question.check_type(stored[question.name])
        except InvalidAnswerError as error:
            reason = str(error).removesuffix(".")
            raise PacelineError(
                f"{version.name} of the template refuses a stored answer ({reason}); {remedy}."
            ) from error


def _check_is_kept(version: Version, answers: "Rendering", stored: Mapping[str, Any], *, remedy: str) -> None:
    """Raise for the first stored answer that is still asked for, and that copier would replace."""
    for question in read_questions(version.template):
        name = question.name
        if name not in stored or name not in answers.stored_answers:
            continue
        if not question.means_the_same(answers.stored_answers[name], stored[name]):
            reason = _reason(version, {**answers.stored_answers, name: stored[name]})
            raise PacelineError(
                f"{version.name} of the template refuses the stored answer {name}: {stored[name]} ({reason}); {remedy}."
            )


def _reason(version: Version, answers: Mapping[str, Any]) -> str:
    from paceline.rendering import complete_answers

    try:
        complete_answers(version.template, answers)
    except PacelineError as error:
        return str(error).removesuffix(".")
    return "it is not among what can be chosen"
