"""Answers from where they are given: flags, pairs, a team's file, a preset, or a service that exists."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from paceline.errors import PacelineError, UsageError
from paceline.presets import PRESETS, Preset
from paceline.questions import Question, check_answers, reason_in_yaml

ANSWERS_FILE = ".copier-answers.yml"


def gather(
    questions: Iterable[Question],
    *,
    flags: Mapping[str, object],
    pairs: Iterable[str],
    file: Path | None,
    preset: Preset | None,
) -> dict[str, Any]:
    """Merge what was given, the most particular last: preset, then file, then pairs and flags.

    Raises :class:`UsageError` for an answer that no question can take, and for two on the line that contradict
    each other.
    """
    questions = tuple(questions)
    from_preset = PRESETS[preset] if preset else {}
    from_file = read_answers(file) if file else {}
    parsed = parse_pairs(pairs)
    from_pairs = dict(parsed)
    check_answers(questions, from_preset, source=f"in the preset {preset}")
    check_answers(questions, from_file, source=f"in {file}")
    for name, answer in parsed:
        check_answers(questions, {name: answer}, source="given with -d")
    check_answers(questions, flags, source="given as a flag")
    _check_agreement(questions, flags, parsed)
    return {**from_preset, **from_file, **from_pairs, **flags}


def _check_agreement(
    questions: Iterable[Question], flags: Mapping[str, object], pairs: Iterable[tuple[str, str]]
) -> None:
    known = {question.name: question for question in questions}
    given = {name: (answer, _flag_in_words(name, answer)) for name, answer in flags.items()}
    for name, answer in pairs:
        words = f"-d {name}={answer}"
        earlier, earlier_words = given.setdefault(name, (answer, words))
        if not known[name].means_the_same(earlier, answer):
            raise UsageError(f"{name} is answered twice, with {earlier_words} and with {words}; keep one of them.")


def _flag_in_words(name: str, answer: object) -> str:
    flag = name.replace("_", "-")
    if isinstance(answer, bool):
        return f"--{flag}" if answer else f"--no-{flag}"
    return f"--{flag} {answer}"


def parse_pairs(pairs: Iterable[str], *, option: str = "-d") -> list[tuple[str, str]]:
    """Names and answers from ``name=value`` texts. Raises :class:`UsageError` for a text without a name or a ``=``."""
    answers = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option} {pair!r} is not name=value; write for example {option} database=postgresql.")
        answers.append((name.strip(), value))
    return answers


def read_answers(file: Path) -> dict[str, Any]:
    """Answers from a YAML file, none from an empty one. Names that begin with ``_`` are copier's own and left out.

    Raises :class:`UsageError` when the file cannot be read or holds no mapping.
    """
    return {name: answer for name, answer in _read_mapping(file).items() if not name.startswith("_")}


def read_address(file: Path) -> dict[str, str]:
    """Where the template is (``_src_path``) and its version (``_commit``), as far as a service's file says it.

    Raises :class:`UsageError` as :func:`read_answers` does.
    """
    content = _read_mapping(file)
    return {name: str(content[name]) for name in ("_src_path", "_commit") if content.get(name)}


def _read_mapping(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The answers file {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The answers file {file} is not YAML: {reason_in_yaml(error)}.") from error
    return parse_answers_file(text, file)


def parse_answers_file(text: str, file: Path) -> dict[str, Any]:
    """The mapping in a YAML text; ``file`` says in messages where it stands. Raises :class:`UsageError`."""
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"The answers file {file} is not YAML: {reason_in_yaml(error)}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"The answers file {file} must hold lines such as 'database: postgresql'.")
    return {str(name): answer for name, answer in content.items()}


def stored_answers(service: Path, questions: Iterable[Question]) -> dict[str, Any]:
    """The answers a service was rendered with, as far as their questions still exist.

    Raises :class:`PacelineError` when the directory holds no service.
    """
    check_is_service(service)
    names = {question.name for question in questions if not question.is_computed}
    return {name: answer for name, answer in read_answers(service / ANSWERS_FILE).items() if name in names}


def check_is_service(directory: Path) -> None:
    """Raise :class:`PacelineError` when the directory holds no service made from the template."""
    if not (directory / ANSWERS_FILE).is_file():
        raise PacelineError(
            f"{directory} is not a service: it holds no {ANSWERS_FILE}. Name the directory that `paceline new` made."
        )
