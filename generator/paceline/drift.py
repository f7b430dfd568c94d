"""What a service's people have changed: its files beside those that the template made of the same answers."""

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from paceline.answers import ANSWERS_FILE
from paceline.errors import PacelineError
from paceline.questions import read_questions
from paceline.rendering import Rendering, render

# What is at a path: its kind, and what makes it differ from others of the kind. None where nothing is.
Content = tuple[str, object] | None


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The template's files that a service no longer has as they were made. Files of its own are none of these."""

    changed: Sequence[str]
    """In their bytes or in who may run them, or a link or a directory stands in their place."""
    deleted: Sequence[str]


class Renderings:
    """One version of the template, rendered with whatever answers somebody asks for; the same answers only once."""

    def __init__(self, template: Path, root: Path) -> None:
        """``root`` is an empty directory, which the caller removes."""
        self._questions = [question for question in read_questions(template) if not question.is_computed]
        self._template = template
        self._root = root
        self._made: dict[str, Rendering | PacelineError] = {}

    @property
    def names(self) -> set[str]:
        """The questions that have answers."""
        return {question.name for question in self._questions}

    def of(self, answers: Mapping[str, Any]) -> Rendering:
        """The service that the answers make. Raises :class:`PacelineError` when a rule refuses one."""
        key = repr(sorted(answers.items()))
        if key not in self._made:
            self._made[key] = self._make(answers)
        made = self._made[key]
        if isinstance(made, PacelineError):
            raise made
        return made

    def _make(self, answers: Mapping[str, Any]) -> Rendering | PacelineError:
        try:
            for question in self._questions:
                if question.name in answers:
                    question.check_type(answers[question.name])
            return render(self._template, self._root / str(len(self._made)), answers)
        except PacelineError as error:
            return error


def find_drift(pristine: Rendering, service: Path) -> Drift:
    """Compare a service with what the template made of its answers."""
    contents = {file: content(service, file) for file in files_of(pristine)}
    changed = [file for file, found in contents.items() if found != content(pristine.directory, file)]
    return Drift(
        changed=[file for file in changed if contents[file] is not None],
        deleted=[file for file in changed if contents[file] is None],
    )


def files_of(rendering: Rendering) -> list[str]:
    """The files that a rendering has of the template; the answers are not among them."""
    return [file for file in rendering.files if file != ANSWERS_FILE]


def content(directory: Path, file: str) -> Content:
    """What is at a path in a directory. Links are not followed, because git does not follow them."""
    for parent in reversed(PurePosixPath(file).parents[:-1]):
        if (directory / parent).is_symlink():
            return "link", str(parent)
    path = directory / file
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(mode):
        return "link", str(path.readlink())
    if not stat.S_ISREG(mode):
        return "no file", stat.S_IFMT(mode)
    return "file", (bool(mode & stat.S_IXUSR), path.read_bytes())
