"""The remote repository of a service, and the branch of an update there."""

from paceline import git
from paceline.errors import PacelineError
from paceline.service import Service
from paceline.worktree import find_branch

USUAL_REMOTE = "origin"


def current_branch(service: Service) -> str | None:
    """The branch that the service's repository is on; None when it is on none."""
    return git.run(service.repository, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip() or None


def find_remote(service: Service) -> str:
    """The remote that the current branch tracks, else ``origin``. Raises :class:`PacelineError` without either."""
    tracked = git.run(service.repository, "config", f"branch.{current_branch(service)}.remote").stdout.strip()
    # A branch that tracks another one of the same repository names a dot.
    remote = USUAL_REMOTE if tracked in ("", ".") else tracked
    if not git.succeeds(service.repository, "remote", "get-url", remote):
        raise PacelineError(
            f"{service.directory} has no remote {remote} that a branch can be pushed to; add one with"
            f" `git remote add {remote} URL`, or update without --push."
        )
    return remote


def find_remote_branch(service: Service, remote: str, branch: str) -> str | None:
    """The commit of a branch of the remote; None where it has no such branch.

    Raises :class:`PacelineError` when the remote cannot be reached.
    """
    try:
        listed = git.git(service.repository, "ls-remote", "--heads", remote, f"refs/heads/{branch}")
    except git.GitError as error:
        raise PacelineError(
            f"{remote} of {service.directory} cannot be reached ({error}); try again when it can be."
        ) from error
    return listed.partition("\t")[0] or None


def push_branch(service: Service, remote: str, branch: str) -> None:
    """Have a branch on the remote; one that is only there, or on both sides, stays as it is.

    Raises :class:`PacelineError` when the remote refuses it.
    """
    here, there = find_branch(service, branch), find_remote_branch(service, remote, branch)
    if here is None or (there and not git.succeeds(service.repository, "merge-base", "--is-ancestor", there, here)):
        return
    reference = f"refs/heads/{branch}"
    try:
        git.git(service.repository, *git.WITHOUT_HOOKS, "push", "--quiet", remote, f"{reference}:{reference}")
    except git.GitError as error:
        raise PacelineError(
            f"The branch {branch} cannot be pushed to {remote} of {service.directory} ({error}); mend that, and give"
            " the same command again."
        ) from error
