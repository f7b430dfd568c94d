"""The service's git history: a repository with a first commit, which every later update needs."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from paceline import git
from paceline.errors import PacelineError

NOTE_ON_IDENTITY = (
    "git does not know who you are, so the first commit is by Paceline; set user.name and user.email with"
    " `git config --global` and, if you like, `git commit --amend --reset-author`."
)

# The first commit depends on nothing that the user has set up for other repositories.
SETTINGS = (*git.WITHOUT_HOOKS, "-c", f"core.excludesFile={os.devnull}", "-c", "commit.gpgSign=false")


def check_can_begin(destination: Path) -> None:
    """Raise :class:`PacelineError` when a history is due at an absolute path and git is not installed."""
    if _enclosing_repository(destination) is None:
        _check_git()


def is_new(directory: Path) -> bool:
    """Whether a directory is a repository in which nothing was staged or committed, as after ``git init``."""
    own = directory / ".git"
    if not git.is_installed() or own.is_symlink() or not (own / "HEAD").is_file() or (own / "index").exists():
        return False
    references = git.run(directory, "for-each-ref", "--count=1")
    return references.returncode == 0 and not references.stdout


def begin(directory: Path, *, destination: Path, message: str) -> tuple[str, ...]:
    """Make a repository of a directory that is to be moved: branch ``main``, one commit of all files.

    Where the destination is a new repository, the commit is made in a copy of it, with the settings of it and
    its user. Makes none when the destination lies in any other repository. Returns sentences that the user
    should read. Raises :class:`PacelineError` when git refuses.
    """
    if is_new(destination):
        shutil.copytree(destination / ".git", directory / ".git", symlinks=True)
        return _commit_all(directory, message, settings=())
    outer = _enclosing_repository(destination)
    if outer is not None:
        return (f"{destination} lies in the git repository {outer}, so it has none of its own; commit it there.",)
    _check_git()
    _run(directory, "init", "--quiet", "--template=", "--initial-branch=main")
    return _commit_all(directory, message, settings=SETTINGS)


def _commit_all(directory: Path, message: str, *, settings: Sequence[str]) -> tuple[str, ...]:
    identity = git.identity_settings(directory)
    _run(directory, *settings, "add", "--all")
    _run(directory, *settings, *identity, "commit", "--quiet", "--message", message)
    return (NOTE_ON_IDENTITY,) if identity else ()


def _enclosing_repository(directory: Path) -> Path | None:
    for candidate in (directory, *directory.parents):
        own = candidate / ".git"
        if own.is_file() or (own / "HEAD").is_file():
            return candidate
    return None


def _check_git() -> None:
    if not git.is_installed():
        raise PacelineError(
            "git is not installed, and a service without history cannot be updated; install git,"
            " or pass --no-git to do without."
        )


def _run(directory: Path, *arguments: str) -> None:
    try:
        git.git(directory, *arguments)
    except git.GitError as error:
        raise PacelineError(f"git cannot make the first commit ({error}); pass --no-git to do without.") from error
