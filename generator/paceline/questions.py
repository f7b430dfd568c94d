"""The questions of ``copier.yml``: their names, types, help and choices, and whether an answer can be one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from paceline.database_plans import CUSTOM, read_plans
from paceline.errors import BrokenTemplateError, InvalidAnswerError, UsageError

TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
WORDS_FOR_TYPES: dict[type, str] = {int: "a whole number", float: "a number", bool: "yes or no", str: "text"}
WORDS_FOR_YES = {"y", "yes", "t", "true", "on", "1"}
WORDS_FOR_NO = {"n", "no", "f", "false", "off", "0"}

# As many as a line can list.
FEW_CHOICES = 12


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question as ``copier.yml`` puts it."""

    name: str
    type: type
    help: str = ""
    choices: tuple[str, ...] = ()
    """The answers that are offered; empty when any answer of the type may be given."""
    default: object = None
    """As written: a value, or the template of one."""
    is_computed: bool = False
    """Follows from other answers, so that nobody can set it."""

    @property
    def has_few_choices(self) -> bool:
        """Whether the choices can be listed in a sentence."""
        return 0 < len(self.choices) <= FEW_CHOICES

    @property
    def has_fixed_default(self) -> bool:
        """Whether the default is the same whatever the other answers."""
        return self.default is not None and "{" not in str(self.default)

    def means_the_same(self, answer: object, other: object) -> bool:
        """Whether two answers that can be one, texts or values, answer alike."""
        return _read(answer, self.type) == _read(other, self.type)

    def check(self, answer: object) -> None:
        """Raise :class:`InvalidAnswerError` when the answer is of another type or not among the choices."""
        if self.is_computed:
            raise InvalidAnswerError(self.name, f"{self.name} is computed from other answers; it cannot be set.")
        if self.choices and str(answer) not in self.choices:
            raise InvalidAnswerError(self.name, self._refusal_of_choice(answer))
        self.check_type(answer)

    def check_type(self, answer: object) -> None:
        """Raise :class:`InvalidAnswerError` when the answer is of another type."""
        if not _is_of_type(answer, self.type):
            raise InvalidAnswerError(self.name, f"{self.name} must be {WORDS_FOR_TYPES[self.type]}, not {answer!r}.")

    def _refusal_of_choice(self, answer: object) -> str:
        if self.has_few_choices:
            return f"{self.name} must be one of {', '.join(self.choices)}, not {answer!r}."
        nearest = get_close_matches(str(answer).lower(), self.choices, n=3)
        hint = f"did you mean {', '.join(nearest)}?" if nearest else "`paceline plans` lists them."
        return f"There is no {self.name} {answer!r}; {hint}"


def read_questions(template: Path) -> tuple[Question, ...]:
    """The questions of the template in a directory, in the order in which they are asked.

    Raises :class:`BrokenTemplateError` when its ``copier.yml`` cannot be read.
    """
    import yaml

    file = template / "copier.yml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # The loader is a safe one; the C one is some ten times faster.
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BrokenTemplateError(f"{file} cannot be read: {reason_in_yaml(error)}.") from error
    if not isinstance(content, dict):
        raise BrokenTemplateError(f"{file} holds no questions.")
    return tuple(_question(str(name), entry) for name, entry in content.items() if not str(name).startswith("_"))


def reason_in_yaml(error: Exception) -> str:
    """Why a text is not YAML and where, without the name that the reader gives to a text."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem and mark:
        return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(str(error).split()).replace(' in "<unicode string>",', " at")


def check_answers(questions: Iterable[Question], answers: Mapping[str, object], *, source: str) -> None:
    """Refuse answers to unknown questions and answers that cannot be one.

    ``source`` says in the message where the answers were given. Raises :class:`UsageError`.
    """
    known = {question.name: question for question in questions}
    for name, answer in answers.items():
        if name not in known:
            raise UsageError(f"There is no question {name!r} ({source}); {_nearest(name, known)}")
        known[name].check(answer)


def _nearest(name: str, known: Mapping[str, Question]) -> str:
    settable = [question.name for question in known.values() if not question.is_computed]
    nearest = get_close_matches(name.replace("-", "_").lower(), settable, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"the questions are {', '.join(settable)}."


def _question(name: str, entry: object) -> Question:
    if not isinstance(entry, dict):
        return Question(name=name, type=type(entry) if type(entry) in WORDS_FOR_TYPES else str, default=entry)
    default = entry.get("default")
    type_name = entry.get("type", type(default).__name__)
    return Question(
        name=name,
        type=TYPES.get(type_name, str),
        help=str(entry.get("help", "")),
        choices=_choices(entry.get("choices")),
        default=default,
        is_computed=entry.get("when") is False,
    )


def _choices(entry: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever a YAML file holds
    if isinstance(entry, dict):
        entry = list(entry.values())
    if isinstance(entry, str):
        # The one question whose choices are computed offers the plans of the chosen database.
        entry = [CUSTOM, *(plan.name for plan in read_plans())]
    if not isinstance(entry, list):
        return ()
    return tuple(str(_value_of_choice(choice)) for choice in entry)


def _value_of_choice(choice: Any) -> object:  # noqa: ANN401 - whatever a YAML file holds
    if isinstance(choice, list):
        choice = choice[-1]
    return choice["value"] if isinstance(choice, dict) else choice


def _is_of_type(answer: object, wanted: type) -> bool:
    if isinstance(answer, str):
        return _can_be_read_as(answer, wanted)
    if wanted is str:
        return isinstance(answer, int | float)
    # In Python True is an int, and int(2.5) is 2: neither is what anybody means by an answer.
    return type(answer) is wanted or (wanted is float and type(answer) is int)


def _read(answer: object, wanted: type) -> object:
    text = str(answer)
    return text.lower() in WORDS_FOR_YES if wanted is bool else wanted(text)


def _can_be_read_as(text: str, wanted: type) -> bool:
    if wanted is bool:
        return text.lower() in WORDS_FOR_YES | WORDS_FOR_NO
    try:
        wanted(text)
    except ValueError:
        return False
    return True
