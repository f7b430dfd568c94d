"""The service's git history: a repository with a first commit, which every later update needs."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from paceline.errors import PacelineError

NOTE_ON_IDENTITY = (
    "git does not know who you are, so the first commit is by Paceline; set user.name and user.email with"
    " `git config --global` and, if you like, `git commit --amend --reset-author`."
)

# What git sets for the hooks of a repository and for `rebase --exec`: it would send our commands there.
VARIABLES_OF_OUTER_REPOSITORY = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)

# The first commit depends on nothing that the user has set up for other repositories.
SETTINGS = (
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    f"core.excludesFile={os.devnull}",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "commit.gpgSign=false",
)
OWN_IDENTITY = ("-c", "user.name=Paceline", "-c", "user.email=paceline@localhost")


def forget_outer_repository() -> None:
    """Let no git command of this process or of its children act on the repository whose hook runs us."""
    for name in VARIABLES_OF_OUTER_REPOSITORY:
        os.environ.pop(name, None)


def check_can_begin(destination: Path) -> None:
    """Raise :class:`PacelineError` when a history is due at an absolute path and git is not installed."""
    if _enclosing_repository(destination) is None:
        _find_git()


def is_new(directory: Path) -> bool:
    """Whether a directory is a repository in which nothing was staged or committed, as after ``git init``."""
    own = directory / ".git"
    git = shutil.which("git")
    if git is None or own.is_symlink() or not (own / "HEAD").is_file() or (own / "index").exists():
        return False
    references = _start([git, "for-each-ref", "--count=1"], directory)
    return references.returncode == 0 and not references.stdout


def begin(directory: Path, *, destination: Path, message: str) -> tuple[str, ...]:
    """Make a repository of a directory that is to be moved: branch ``main``, one commit of all files.

    Where the destination is a new repository, the commit is made in a copy of it, with the settings of it and
    its user. Makes none when the destination lies in any other repository. Returns sentences that the user
    should read. Raises :class:`PacelineError` when git refuses.
    """
    if is_new(destination):
        shutil.copytree(destination / ".git", directory / ".git", symlinks=True)
        return _commit_all(_find_git(), directory, message, settings=())
    outer = _enclosing_repository(destination)
    if outer is not None:
        return (f"{destination} lies in the git repository {outer}, so it has none of its own; commit it there.",)
    git = _find_git()
    _run([git, "init", "--quiet", "--template=", "--initial-branch=main"], directory)
    return _commit_all(git, directory, message, settings=SETTINGS)


def _commit_all(git: str, directory: Path, message: str, *, settings: Sequence[str]) -> tuple[str, ...]:
    _run([git, *settings, "add", "--all"], directory)
    commit = ["commit", "--quiet", "--message", message]
    if _knows_identity(git, directory):
        _run([git, *settings, *commit], directory)
        return ()
    _run([git, *settings, *OWN_IDENTITY, *commit], directory)
    return (NOTE_ON_IDENTITY,)


def _enclosing_repository(directory: Path) -> Path | None:
    for candidate in (directory, *directory.parents):
        git = candidate / ".git"
        if git.is_file() or (git / "HEAD").is_file():
            return candidate
    return None


def _find_git() -> str:
    git = shutil.which("git")
    if git is None:
        raise PacelineError(
            "git is not installed, and a service without history cannot be updated; install git,"
            " or pass --no-git to do without."
        )
    return git


def _knows_identity(git: str, directory: Path) -> bool:
    roles = ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    return all(_start([git, "var", role], directory).returncode == 0 for role in roles)


def _run(command: Sequence[str], directory: Path) -> None:
    process = _start(command, directory)
    if process.returncode:
        reason = " ".join(process.stderr.split()) or f"exit status {process.returncode}"
        raise PacelineError(f"git cannot make the first commit ({reason}); pass --no-git to do without.")


def _start(command: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - a list without a shell; only git runs
        command, cwd=directory, capture_output=True, text=True, errors="replace", check=False
    )
