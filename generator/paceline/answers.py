"""Answers from where they are given: flags, pairs, a team's file, a preset, or a service that exists."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from paceline.errors import PacelineError, UsageError
from paceline.presets import PRESETS, Preset
from paceline.questions import Question, check_answers

ANSWERS_FILE = ".copier-answers.yml"


def gather(
    questions: Iterable[Question],
    *,
    flags: Mapping[str, object],
    pairs: Iterable[str],
    file: Path | None,
    preset: Preset | None,
) -> dict[str, Any]:
    """Merge what was given, the most particular last: preset, then file, then pairs, then flags.

    Raises :class:`UsageError` for an answer that no question can take.
    """
    questions = tuple(questions)
    from_preset = PRESETS[preset] if preset else {}
    from_file = read_answers(file) if file else {}
    from_pairs = parse_pairs(pairs)
    check_answers(questions, from_preset, source=f"in the preset {preset}")
    check_answers(questions, from_file, source=f"in {file}")
    check_answers(questions, from_pairs, source="given with -d")
    check_answers(questions, flags, source="given as a flag")
    return {**from_preset, **from_file, **from_pairs, **flags}


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Answers from ``name=value`` texts. Raises :class:`UsageError` for a text without a name or a ``=``."""
    answers = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"-d {pair!r} is not name=value; write for example -d database=postgresql.")
        answers[name.strip()] = value
    return answers


def read_answers(file: Path) -> dict[str, Any]:
    """Answers from a YAML file. Names that begin with ``_`` are copier's own and left out.

    Raises :class:`UsageError` when the file cannot be read or holds no mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The answers file {file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"The answers file {file} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"The answers file {file} must hold lines such as 'database: postgresql'.")
    return {str(name): answer for name, answer in content.items() if not str(name).startswith("_")}


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
