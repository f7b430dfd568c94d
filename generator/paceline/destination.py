"""Where the service goes. It is complete before it appears there, so that nothing is ever half-written."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from paceline import repository
from paceline.errors import PacelineError
from paceline.stopping import stopping


@dataclass(frozen=True)
class Staging:
    """A place in which the service is made, on the file system of its destination."""

    root: Path
    """Removed in the end, with what was not published."""
    destination: Path

    @property
    def directory(self) -> Path:
        """Where the service is to be made. Does not exist yet; its name is the destination's."""
        return self.root / self.destination.name

    def publish(self) -> None:
        """Move the finished service to its destination.

        Raises :class:`PacelineError` when something else has appeared there meanwhile.
        """
        try:
            if self.root.parent == self.destination:
                _move_children(self.directory, self.destination, replaced=self.root / "replaced")
            else:
                self.directory.rename(self.destination)
        except OSError as error:
            raise PacelineError(f"The service cannot be moved to {self.destination}: {error.strerror}.") from error


def resolve_destination(named: Path) -> Path:
    """The absolute path of a destination. Raises :class:`PacelineError` for a link that leads nowhere."""
    with _explaining(named):
        if named.is_symlink() and not named.exists():
            raise PacelineError(f"{named} is a link to {named.readlink()}, which does not exist; name a directory.")
        return named.resolve()


def check_destination(destination: Path) -> None:
    """Raise :class:`PacelineError` unless a service can be made there.

    It can where nothing is, in an empty directory, and in a repository in which nothing was committed yet.
    """
    with _explaining(destination):
        if destination.is_dir():
            _check_is_empty(destination)
        elif destination.exists():
            raise PacelineError(f"{destination} is a file; name a directory that does not exist yet.")
        home = _nearest_existing(destination)
    if not home.is_dir():
        raise PacelineError(f"{destination} cannot be made, because {home} is a file.")
    if not os.access(home, os.W_OK | os.X_OK):
        raise PacelineError(f"{destination} cannot be made, because you may not write to {home}.")


@contextlib.contextmanager
def staging(destination: Path) -> Generator[Staging]:
    """A place to make the service in; whatever was not published is removed, also when it fails or is stopped.

    Raises :class:`StoppedError` in place of :class:`KeyboardInterrupt`, and when the system ends the process.
    """
    with contextlib.ExitStack() as undo:
        begin_cleaning = undo.enter_context(stopping())
        with _explaining(destination):
            parent = destination if destination.is_dir() else _make_parents(destination.parent, undo)
            root = Path(tempfile.mkdtemp(prefix=".paceline-", dir=parent))
        undo.callback(shutil.rmtree, root, ignore_errors=True)
        undo.callback(begin_cleaning)
        yield Staging(root, destination)


@contextlib.contextmanager
def rehearsal(destination: Path) -> Generator[Staging]:
    """As :func:`staging`, in the system's directory for temporary files, for a service that nobody keeps."""
    with stopping() as begin_cleaning, tempfile.TemporaryDirectory(prefix="paceline-") as root:
        try:
            yield Staging(Path(root), destination)
        finally:
            begin_cleaning()


@contextlib.contextmanager
def _explaining(destination: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise PacelineError(f"{destination} cannot be made: {error.strerror}.") from error


def _check_is_empty(directory: Path) -> None:
    names = sorted(path.name for path in directory.iterdir())
    if names == [".git"] and repository.is_new(directory):
        return
    if names:
        entries = "1 entry" if len(names) == 1 else f"{len(names)} entries"
        raise PacelineError(
            f"{directory} is not empty ({entries}, {names[0]} for example); name a new or an empty directory."
        )


def _nearest_existing(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _make_parents(parent: Path, undo: contextlib.ExitStack) -> Path:
    missing = [directory for directory in (parent, *parent.parents) if not directory.exists()]
    for directory in reversed(missing):
        directory.mkdir()
        undo.callback(_remove_if_empty, directory)
    return parent


def _remove_if_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        directory.rmdir()


def _move_children(source: Path, destination: Path, *, replaced: Path) -> None:
    with contextlib.ExitStack() as undo:
        # The first commit was made in a copy of the repository that is there.
        if (source / ".git").exists() and repository.is_new(destination):
            (destination / ".git").rename(replaced)
            undo.callback(replaced.rename, destination / ".git")
        for child in source.iterdir():
            moved = destination / child.name
            if moved.exists():
                raise FileExistsError(errno.EEXIST, f"{child.name} has appeared there meanwhile")
            child.rename(moved)
            undo.callback(moved.rename, child)
        undo.pop_all()
