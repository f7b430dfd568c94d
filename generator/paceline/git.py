"""How git is called: a list without a shell, its answer as text, its refusal as a sentence."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from paceline.errors import PacelineError

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

# A commit of ours runs none of the user's programs.
WITHOUT_HOOKS = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false")
# A text is shown and compared as it is, whatever the user has set up for reading.
PLAIN_DIFF = ("--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
OWN_IDENTITY = ("-c", "user.name=Paceline", "-c", "user.email=paceline@localhost")


class GitError(PacelineError):
    """git refused. The message is its reason, on one line."""


def forget_outer_repository() -> None:
    """Let no git command of this process or of its children act on the repository whose hook runs us."""
    for name in VARIABLES_OF_OUTER_REPOSITORY:
        os.environ.pop(name, None)


def is_installed() -> bool:
    """Whether there is a git on the path."""
    return shutil.which("git") is not None


def git(directory: Path, *arguments: str | Path) -> str:
    """What git prints, without the last line's end. Raises :class:`GitError` with the reason when it refuses."""
    process = run(directory, *arguments)
    if process.returncode:
        raise GitError(reason(process))
    return process.stdout.removesuffix("\n")


def lines(directory: Path, *arguments: str | Path) -> list[str]:
    """The entries of a command that is called with ``-z``; names of files come unquoted only so."""
    return [entry for entry in git(directory, *arguments).split("\0") if entry]


def succeeds(directory: Path, *arguments: str | Path) -> bool:
    """Whether git agrees."""
    return run(directory, *arguments).returncode == 0


def undisturbed(directory: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As :func:`run`, out of reach of the terminal's Ctrl-C: for what must not be left half done."""
    return _run(directory, arguments, process_group=0)


def run(directory: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run git to its end. Raises :class:`GitError` when it is not installed."""
    return _run(directory, arguments)


def _run(
    directory: Path, arguments: Sequence[str | Path], *, process_group: int | None = None
) -> subprocess.CompletedProcess[str]:
    program = shutil.which("git")
    if program is None:
        raise GitError("git is not installed; install it and try again.")
    return subprocess.run(  # noqa: S603 - a list without a shell; only git runs
        [program, *map(str, arguments)],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        process_group=process_group,
    )


def reason(process: subprocess.CompletedProcess[str]) -> str:
    """Why git refused, on one line."""
    said = " ".join(process.stderr.split()) or " ".join(process.stdout.split())
    return said or f"exit status {process.returncode}"


def identity_settings(directory: Path) -> Sequence[str]:
    """Settings that make a commit possible: none where git knows who the user is."""
    roles = ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    return () if all(succeeds(directory, "var", role) for role in roles) else OWN_IDENTITY
