"""The git worktree in which an update is made, beside the repository, so that the service itself is not touched."""

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from paceline import git
from paceline.errors import PacelineError
from paceline.service import Service

try:
    import fcntl
except ImportError:
    # Windows, where a directory cannot be held.
    fcntl = None

PREFIX = "paceline/"
NOTES = "paceline.json"


@dataclass(frozen=True, kw_only=True)
class Worktree:
    """A second work tree of a service's repository."""

    service: Path
    """The directory of the service by which it was made or found."""
    repository: Path
    """What git keeps of the repository, which all its work trees share."""
    root: Path
    subdirectory: PurePosixPath
    branch: str
    """The branch that a finished update gets; the worktree itself is on none."""

    @property
    def directory(self) -> Path:
        """The service in it."""
        return self.root / self.subdirectory

    def keep(self, notes: Mapping[str, Any]) -> None:
        """Leave the worktree, and notes in it, for whoever finishes the update."""
        self._notes.write_text(json.dumps(dict(notes)), encoding="utf-8")

    @property
    def is_kept(self) -> bool:
        """Whether somebody is to finish the update."""
        found = git.run(self.root, "rev-parse", "--absolute-git-dir") if self.root.is_dir() else None
        return found is not None and found.returncode == 0 and self._notes.exists()

    def notes(self) -> dict[str, Any]:
        """The notes that were left. Raises :class:`PacelineError` where none are, and so nobody can go on."""
        if not self.is_kept:
            raise PacelineError(_taken(self))
        return json.loads(self._notes.read_text(encoding="utf-8"))

    @property
    def _notes(self) -> Path:
        return Path(git.git(self.root, "rev-parse", "--absolute-git-dir")) / NOTES

    def remove(self) -> None:
        """Remove the worktree with all that is in it; commits stay where a branch has them."""
        # Twice, because it is locked.
        removal = ("worktree", "remove", "--force", "--force", self.root)
        if git.undisturbed(self.repository, *removal).returncode:
            # A process that was killed has left files of which git knows nothing, or still writes one.
            shutil.rmtree(self.root, ignore_errors=True)
            git.undisturbed(self.repository, *removal)


@contextlib.contextmanager
def new_worktree(service: Service, branch: str) -> Generator[Worktree]:
    """A worktree at the service's HEAD; removed in the end, unless it is to be kept.

    Raises :class:`PacelineError` when one for the branch is there, which is how two updates at once meet.
    """
    worktree = _worktree(service, _place(service, branch), branch)
    _claim(worktree, service)
    try:
        with held(worktree):
            _add(worktree, service)
            yield worktree
    finally:
        if not worktree.is_kept:
            worktree.remove()


def is_under_way(worktree: Worktree) -> bool:
    """Whether a process works in the worktree."""
    try:
        with held(worktree):
            return False
    except PacelineError:
        return True


@contextlib.contextmanager
def held(worktree: Worktree) -> Generator[None]:
    """Hold the worktree's directory, which the system lets go when the process ends, however it does.

    Raises :class:`PacelineError` while another process holds it.
    """
    if fcntl is None or not worktree.root.is_dir():
        yield
        return
    descriptor = os.open(worktree.root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PacelineError(f"An update is under way in {worktree.root}; wait until it has ended.") from error
        yield
    finally:
        os.close(descriptor)


def _claim(worktree: Worktree, service: Service) -> None:
    try:
        # Of two that do this at once, one succeeds.
        worktree.root.mkdir()
    except FileExistsError as error:
        if worktree in _worktrees(service):
            raise PacelineError(_taken(worktree)) from error
        raise PacelineError(f"The update is made in {worktree.root}, which is there already; move it away.") from error
    except OSError as error:
        raise PacelineError(f"The update cannot be made in {worktree.root}: {error.strerror}.") from error


def _add(worktree: Worktree, service: Service) -> None:
    # Forced twice for the case that somebody has removed the directory of an earlier one, which git holds locked. The
    # lock's reason tells our worktrees from the user's.
    options = ("--quiet", "--force", "--force", "--detach", "--lock", "--reason", worktree.branch)
    try:
        git.git(service.repository, *git.WITHOUT_HOOKS, "worktree", "add", *options, worktree.root, "HEAD")
    except git.GitError as error:
        raise PacelineError(f"The update cannot be made in {worktree.root} ({error}).") from error


def find_worktree(service: Service) -> Worktree:
    """The worktree that an update of the service has left; the service may be the one in it.

    Raises :class:`PacelineError` unless there is exactly one.
    """
    found = _worktrees(service)
    own = [worktree for worktree in found if worktree.root == service.repository]
    if len(own or found) > 1:
        places = ", ".join(str(worktree.directory) for worktree in found)
        raise PacelineError(f"{len(found)} updates of {service.name} are waiting, in {places}; name one of these.")
    if not found:
        raise PacelineError(f"No update of {service.name} is waiting to be finished.")
    return (own or found)[0]


def find_waiting(service: Service, branch: str) -> Worktree | None:
    """The worktree for a branch that waits to be finished."""
    found = [worktree for worktree in _worktrees(service) if worktree.branch == branch and worktree.is_kept]
    return found[0] if found else None


def branch_name(service: Service, subject: str) -> str:
    """The branch of an update, the same each time; services in one repository have branches of their own."""
    return _prefix(service) + subject


def check_branch_is_possible(service: Service, branch: str) -> None:
    """Raise :class:`PacelineError` where another branch has the name of a directory of this one's."""
    for parent in PurePosixPath(branch).parents:
        if find_branch(service, str(parent)):
            raise PacelineError(
                f"git can have no branch {branch} beside the branch {parent}; rename that"
                f" (`git branch -m {parent} NAME`) and try again."
            )


def make_branch(worktree: Worktree) -> None:
    """Put what is committed in the worktree on its branch. Raises :class:`PacelineError` when git refuses."""
    # One that was merged may be there.
    make = ("branch", "--force", "--no-track", worktree.branch, "HEAD")
    done = git.undisturbed(worktree.root, *git.WITHOUT_HOOKS, *make)
    if done.returncode:
        raise PacelineError(f"The branch {worktree.branch} cannot be made ({git.reason(done)}).")


def find_branch(service: Service, branch: str) -> str | None:
    """The commit of a branch of the service's repository; None where there is no such branch."""
    found = git.run(service.repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    return found.stdout.strip() or None


def _prefix(service: Service) -> str:
    return PREFIX + "".join(f"{_as_part_of_branch(part)}/" for part in service.subdirectory.parts)


def _as_part_of_branch(name: str) -> str:
    """A directory's name as git takes it in a branch's, and shows it unquoted; no two names become the same."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _place(service: Service, branch: str) -> Path:
    suffix = branch.removeprefix(PREFIX).replace("/", "-")
    return service.repository.parent / f"{service.repository.name}.{suffix}"


def _taken(worktree: Worktree) -> str:
    place = shlex.quote(str(worktree.service))
    if is_under_way(worktree):
        return f"An update is under way in {worktree.root}; wait until it has ended."
    if worktree.is_kept:
        return (
            f"An update waits in {worktree.root} for `paceline update --continue {place}`; `--abort` in its place"
            " discards it, with what was resolved there."
        )
    return f"An update was broken off in {worktree.root}; `paceline update --abort {place}` removes what it left."


def _worktrees(service: Service) -> list[Worktree]:
    """Those that updates of the service have made."""
    listed = git.git(service.repository, "worktree", "list", "--porcelain")
    found = []
    for entry in listed.split("\n\n"):
        fields = dict(line.partition(" ")[::2] for line in entry.splitlines())
        branch = fields.get("locked", "")
        subject = branch.removeprefix(_prefix(service))
        if branch.startswith(_prefix(service)) and "/" not in subject:
            found.append(_worktree(service, Path(fields["worktree"]), branch))
    return found


def _worktree(service: Service, root: Path, branch: str) -> Worktree:
    shared = Path(service.repository, git.git(service.repository, "rev-parse", "--git-common-dir"))
    return Worktree(
        service=service.directory,
        repository=shared.resolve(),
        root=root,
        subdirectory=service.subdirectory,
        branch=branch,
    )
