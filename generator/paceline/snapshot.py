"""A template's repository as it is at one moment: fetched once, then read without a network."""

import contextlib
import re
import tarfile
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from paceline import git
from paceline.errors import PacelineError

# The short forms that copier knows.
HOSTS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}


class MissingVersionError(PacelineError):
    """The template's repository has no such version."""


@dataclass(frozen=True)
class Snapshot:
    """A template's repository, and the trees of its versions as far as somebody asked for them.

    Holds paths alone, so that other processes can use it while the block of :func:`take_snapshot` lasts.
    """

    url: str
    """As services store it, without a password."""
    root: Path

    @property
    def repository(self) -> Path:
        """The bare repository."""
        return self.root / "template.git"

    def resolve(self, version: str) -> str:
        """The commit of a version: a tag, ``git describe``'s name for a commit, or a commit.

        Raises :class:`MissingVersionError`, which names the newest version that there is.
        """
        found = git.run(
            self.repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}"
        )
        if found.returncode == 0:
            return found.stdout.strip()
        newest = self.versions()[-1:]
        known = f"its newest is {newest[0]}" if newest else "it has no tags at all"
        raise MissingVersionError(f"The template at {self.url} has no version {version}; {known}.")

    def describe(self, commit: str) -> str:
        """The name of a commit that services store: its tag, or the nearest tag before it and the commit."""
        return git.git(self.repository, "describe", "--tags", "--always", commit)

    def versions(self) -> list[str]:
        """The tags that are versions, without those of previews, the oldest first."""
        from packaging.version import InvalidVersion, Version

        versions = {}
        for tag in git.git(self.repository, "tag", "--list").splitlines():
            with contextlib.suppress(InvalidVersion):
                versions[tag] = Version(tag)
        return sorted((tag for tag in versions if not versions[tag].is_prerelease), key=lambda tag: versions[tag])

    def versions_between(self, before: str, after: str) -> list[str]:
        """The versions that one commit contains and another does not, the oldest first."""
        merged = [set(git.git(self.repository, "tag", "--merged", commit).splitlines()) for commit in (before, after)]
        return [tag for tag in self.versions() if tag in merged[1] - merged[0]]

    def count_commits(self, before: str, after: str) -> int:
        """How many commits one contains and another does not."""
        return int(git.git(self.repository, "rev-list", "--count", f"{before}..{after}"))

    def contains(self, commit: str, *, ancestor: str) -> bool:
        """Whether a commit comes after another, or is it."""
        return git.succeeds(self.repository, "merge-base", "--is-ancestor", ancestor, commit)

    def changed_files(self, before: str, after: str) -> list[str]:
        """Files of the template that differ between two commits."""
        return git.lines(self.repository, "diff", "--name-only", "--no-renames", "-z", before, after, "--", "template")

    def read(self, commit: str, file: str) -> str | None:
        """A file's text at a commit; None where it is not."""
        found = git.run(self.repository, "show", f"{commit}:{file}")
        return found.stdout if found.returncode == 0 else None

    def export(self, commit: str) -> Path:
        """A plain directory with the files of a commit, to be read only."""
        return self._unpacked(commit, self.root / "exports" / commit)

    def export_questions(self, commit: str) -> Path:
        """As :func:`export`, but with no file to render: copier names each of them, even to ask questions alone."""
        return self._unpacked(commit, self.root / "questions" / commit, ".", ":(exclude)template/*")

    def _unpacked(self, commit: str, directory: Path, *paths: str) -> Path:
        if not directory.exists():
            self._unpack(commit, directory, *paths)
        return directory

    def _unpack(self, commit: str, directory: Path, *paths: str) -> None:
        with tempfile.TemporaryDirectory(dir=self.root) as staging:
            archive, files = Path(staging) / "archive.tar", Path(staging) / "files"
            git.git(self.repository, "-c", "core.autocrlf=false", "archive", "--output", archive, commit, "--", *paths)
            with tarfile.open(archive) as content:
                content.extractall(files, filter="data")
            # Copier looks into it, whether or not there is anything.
            (files / "template").mkdir(exist_ok=True)
            directory.parent.mkdir(exist_ok=True)
            # Another process may have been faster; its files are the same.
            with contextlib.suppress(OSError):
                files.rename(directory)


@contextlib.contextmanager
def take_snapshot(url: str) -> Generator[Snapshot]:
    """Fetch a template's repository; it is removed when the block ends.

    Raises :class:`PacelineError` when the repository cannot be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="paceline-template-", ignore_cleanup_errors=True) as root:
        yield fetch_snapshot(url, Path(root))


def fetch_snapshot(url: str, root: Path) -> Snapshot:
    """Fetch a template's repository into an empty directory, which is the caller's to remove.

    Raises :class:`PacelineError` when the repository cannot be fetched.
    """
    snapshot = Snapshot(without_password(url), root)
    try:
        clone = (*git.WITHOUT_HOOKS, "clone", "--quiet", "--bare")
        git.git(snapshot.root, *clone, "--", git_url(url), snapshot.repository)
    except git.GitError as error:
        raise PacelineError(
            f"The template cannot be fetched from {snapshot.url} ({without_password(str(error))}); try again when it"
            " can be reached, or name its new address with --template."
        ) from error
    return snapshot


def without_password(text: str) -> str:
    """A URL, or a sentence with some, as it may be stored and shown."""
    return re.sub(r"\b(https?://)[^/@\s]*@", r"\1", text)


def git_url(source: str) -> str:
    """The URL that git understands, of one that copier understands."""
    for short, host in HOSTS.items():
        if source.startswith(short):
            source = host + source.removeprefix(short).lstrip("/").removesuffix(".git") + ".git"
    return source.removeprefix("git+")


def looks_like_directory(source: str) -> bool:
    """Whether a template's source is a path of this machine and no URL."""
    return "://" not in source and not re.match(r"[^/]+[:@]", source)
