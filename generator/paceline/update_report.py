"""What an update did to a service: read from git and from both answers files, for the person who merges it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from paceline import git
from paceline.answers import ANSWERS_FILE, parse_answers_file
from paceline.service_settings import FILE as SETTINGS_FILE
from paceline.service_settings import Setting, read_settings


class Result(StrEnum):
    """How an update ended."""

    UP_TO_DATE = "up to date"
    ON_BRANCH = "already on its branch"
    UPDATED = "updated"
    REHEARSED = "rehearsed"
    CONFLICTS = "conflicts"
    FAILED_CHECKS = "checks failed"


@dataclass(frozen=True, kw_only=True)
class Report:
    """An update of one service. Paths are relative to the service's directory."""

    name: str
    directory: Path
    version_before: str
    version_after: str
    result: Result
    branch: str | None = None
    """The branch that has the update, or will have it."""
    pushed_to: str | None = None
    """The remote that has the branch, if that was asked for."""
    base: str | None = None
    """Of a pushed branch: the one that it is to be merged into."""
    worktree: Path | None = None
    """Where conflicts are to be resolved."""
    changed_files: Mapping[str, str] = field(default_factory=dict)
    """The letter of git for each: A added, M changed, D deleted, U in conflict."""
    changed_answers: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Before and after; None where there is no answer."""
    conflicts: Sequence[str] = ()
    lost_edits: Sequence[str] = ()
    """Files that the template no longer has, and that the service's people had edited."""
    added_settings: Sequence[Setting] = ()
    removed_settings: Sequence[Setting] = ()
    plan_before: Mapping[str, str] = field(default_factory=dict)
    """Each line of the plan with its value."""
    plan_after: Mapping[str, str] = field(default_factory=dict)
    upgrade_notes: str = ""
    """What the template's UPGRADING.md says of the versions in between."""
    notes: Sequence[str] = ()
    """Sentences that the user should read."""
    checks: Sequence[Mapping[str, Any]] = ()
    diff: str = ""
    """Of a rehearsal: the whole change."""

    @property
    def versions(self) -> str:
        """From which version to which; one where it stays."""
        is_same = self.version_before == self.version_after
        return self.version_after if is_same else f"{self.version_before} → {self.version_after}"

    @property
    def required_settings(self) -> list[Setting]:
        """New settings that must be set before deploying."""
        return [setting for setting in self.added_settings if setting.default is None]

    def as_dict(self) -> dict[str, Any]:
        """The whole report, for machines."""
        content = asdict(self) | {"directory": str(self.directory), "result": str(self.result)}
        content["worktree"] = None if self.worktree is None else str(self.worktree)
        content["changed_answers"] = {name: list(pair) for name, pair in self.changed_answers.items()}
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The report of which another process has written the dictionary."""
        values: dict[str, Any] = {
            **content,
            "directory": Path(content["directory"]),
            "result": Result(content["result"]),
        }
        values["worktree"] = content["worktree"] and Path(content["worktree"])
        for name in ("added_settings", "removed_settings"):
            values[name] = [Setting(**setting) for setting in content[name]]
        return cls(**values)


def changed_files(directory: Path, base: str) -> dict[str, str]:
    """The files of a service that differ from a commit, with git's letter for each."""
    fields = git.lines(directory, "diff", "--name-status", "--no-renames", "--relative", "-z", base, "--", ".")
    new = git.lines(directory, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    letters = dict(zip(fields[1::2], fields[::2], strict=True)) | dict.fromkeys(new, "A")
    letters |= dict.fromkeys(conflicts_in(directory), "U")
    return dict(sorted(letters.items()))


def conflicts_in(directory: Path) -> list[str]:
    """The files of a service that git has in conflict."""
    return sorted(set(git.lines(directory, "diff", "--name-only", "--diff-filter=U", "--relative", "-z", "--", ".")))


def changed_answers(directory: Path, base: str) -> dict[str, tuple[Any, Any]]:
    """Stored answers that differ from those at a commit, the template's address included."""
    file = directory / ANSWERS_FILE
    before = parse_answers_file(text_at(directory, base, ANSWERS_FILE) or "", file)
    after = parse_answers_file(file.read_text(encoding="utf-8"), file)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name) and name != "_commit"]
    return {name: (before.get(name), after.get(name)) for name in sorted(names)}


def changed_settings(directory: Path, base: str) -> tuple[list[Setting], list[Setting]]:
    """The settings that a service has gained and lost since a commit."""
    file = directory / SETTINGS_FILE
    before = read_settings(text_at(directory, base, SETTINGS_FILE))
    after = read_settings(file.read_text(encoding="utf-8") if file.is_file() else None)
    if not before or not after:
        return [], []
    added = [setting for variable, setting in after.items() if variable not in before]
    return added, [setting for variable, setting in before.items() if variable not in after]


def text_at(directory: Path, commit: str, file: str) -> str | None:
    """The text of a service's file at a commit; None where it is not."""
    shown = git.run(directory, "cat-file", "blob", f"{commit}:./{file}")
    return shown.stdout if shown.returncode == 0 else None
