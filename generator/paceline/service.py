"""A service on disk: its answers, which template it was made from, and the repository it lies in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from paceline import git
from paceline.answers import ANSWERS_FILE, check_is_service, read_address, read_answers
from paceline.errors import PacelineError
from paceline.snapshot import MissingVersionError, Snapshot


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service in a git repository, as its answers file describes it."""

    directory: Path
    """Absolute."""
    repository: Path
    """The top of the work tree; the service may lie below it."""
    url: str
    """The template's, as stored."""
    version: str
    """The template's that the service was last rendered with, as stored."""
    answers: Mapping[str, Any]
    """As stored, without the template's address."""

    @property
    def name(self) -> str:
        """What its people call it."""
        return str(self.answers.get("project_name", self.directory.name))

    @property
    def subdirectory(self) -> PurePosixPath:
        """Where it lies in its repository; ``.`` at the top."""
        return PurePosixPath(self.directory.relative_to(self.repository).as_posix())


def read_service(directory: Path) -> Service:
    """The service in a directory.

    Raises :class:`PacelineError` when there is none, when it is in no repository, and when it does not know its
    template.
    """
    directory = directory.resolve()
    check_is_service(directory)
    file = directory / ANSWERS_FILE
    address = read_address(file)
    if "_src_path" not in address or "_commit" not in address:
        raise PacelineError(
            f"{directory} does not know the repository and the version of its template, because it was rendered from"
            f" a template without history; write both into {file} (_src_path: a git URL, _commit: a tag) and"
            " commit that."
        )
    top = git.run(directory, "rev-parse", "--show-toplevel")
    if top.returncode:
        raise PacelineError(f"{directory} is in no git repository, which updates need; make one and commit all files.")
    return Service(
        directory=directory,
        repository=Path(top.stdout.removesuffix("\n")).resolve(),
        url=address["_src_path"],
        version=address["_commit"],
        answers=read_answers(file),
    )


def recorded_commit(service: Service, snapshot: Snapshot) -> str:
    """The template's commit that the service was last rendered with.

    Raises :class:`PacelineError` when the template's repository does not have it.
    """
    try:
        return snapshot.resolve(service.version)
    except MissingVersionError as error:
        raise PacelineError(
            f"{error} {service.name} was made from it; push that tag or commit there, or name the address of a"
            " repository that has it with --template."
        ) from error


def check_is_committed(service: Service) -> None:
    """Raise :class:`PacelineError` unless git has all that is in the service's directory, and nothing is half done."""
    if not git.succeeds(service.repository, "rev-parse", "--verify", "--quiet", "HEAD"):
        raise PacelineError(f"{service.directory} has no commit yet; commit all files and try again.")
    changed = git.lines(
        service.directory, "status", "--porcelain", "-z", "--no-renames", "--untracked-files", "--", "."
    )
    if any(entry[:2] in ("UU", "AA", "DD", "AU", "UA", "DU", "UD") for entry in changed):
        raise PacelineError(f"{service.directory} has merge conflicts; resolve and commit them, and try again.")
    if changed:
        count = "1 change" if len(changed) == 1 else f"{len(changed)} changes"
        raise PacelineError(
            f"{service.directory} has {count} that git does not have ({changed[0][3:]} for example); commit or stash"
            " them and try again, so that the update starts from what is committed."
        )
