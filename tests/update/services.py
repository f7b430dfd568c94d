"""Services for the tests of updates: made by copier, as users make them, and committed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import copier

from cli.observations import git


def address(repository: Path) -> str:
    """The URL by which services know the template in a repository."""
    return f"git+file://{repository}"


def make_service(template: Path, directory: Path, version: str, answers: Mapping[str, Any] | None = None) -> Path:
    """A service of a version, committed; in a repository of its own, unless it has one."""
    copier.run_copy(
        address(template),
        directory,
        data=dict(answers or {}),
        vcs_ref=version,
        defaults=True,
        quiet=True,
        overwrite=True,
    )
    if not (directory / ".git").exists():
        git(directory, "init", "--quiet")
    commit(directory)
    return directory


def commit(directory: Path, message: str = "State") -> None:
    """Commit what there is, if only a moment."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", message)
