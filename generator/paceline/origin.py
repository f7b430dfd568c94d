"""Where a new service's template comes from, and under which address and version the service will know it.

The address is, in this order: the one that the user names; the repository that this package was installed from
(PEP 610); the repository that the package declares, at the tag of its own version. A checkout is known by the
repository that it was pushed to.
"""

import contextlib
import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from paceline import git, template
from paceline.errors import PacelineError
from paceline.snapshot import looks_like_directory, take_snapshot, without_password

NOTE_ON_UNCOMMITTED_TEMPLATE = (
    "The template has uncommitted changes, so this service is made from a commit that exists nowhere and"
    " `copier update` will not work in it; commit the template first if the service is to live."
)
NOTE_ON_TEMPLATE_WITHOUT_HISTORY = (
    "The template is not in a git repository that can be read here, so `copier update` will not work in this"
    " service; render from a clone if the service is to live."
)
NOTE_ON_UNPUBLISHED_TEMPLATE = (
    "This service knows its template as {directory}, which only this machine has, so it can be updated only here;"
    " push the template, and render from a clone of it, if others are to update the service."
)
NOTE_ON_UNRELEASED_PACKAGE = (
    "Paceline {version} was installed from a package that names no repository and no released version, so"
    " `copier update` will not work in this service; install a release if the service is to live."
)

# Beside what ends in .git; to anything else copier wants git+ in front, which Renovate does not read.
TAKEN_FOR_REPOSITORIES = ("git@", "git+", "git://", "https://github.com/", "https://gitlab.com/")

COMMIT_IN_VERSION = re.compile(r"\+g(?P<commit>[0-9a-f]{7,40})$")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A template on this machine, and what the services that are rendered from it store of it."""

    directory: Path
    address: Mapping[str, str] = field(default_factory=dict)
    """``_src_path`` and ``_commit``; empty to store what copier sees in the directory."""
    note: str | None = None
    """Why its services cannot be updated, or not everywhere."""


@contextlib.contextmanager
def find_source(named: str | None, ref: str | None) -> Generator[Source]:
    """The template that was named by a URL or a directory, else the one that this package brings.

    Raises :class:`PacelineError` when the repository cannot be fetched or has no such version.
    """
    if named is None:
        if ref is not None:
            raise PacelineError(f"--ref {ref} chooses a version in a repository; name that with --template.")
        yield own_source()
        return
    if ref is None and Path(named).is_dir() and not _is_bare_repository(Path(named)):
        yield _source_in_checkout(Path(named).resolve())
        return
    with take_snapshot(absolute(named)) as snapshot:
        commit = snapshot.resolve(wanted_version(ref))
        yield Source(
            directory=snapshot.export(commit),
            address={"_src_path": snapshot.url, "_commit": snapshot.describe(commit)},
            note=note_on_address(snapshot.url),
        )


def absolute(named: str) -> str:
    """A template's URL, or the whole path of its directory, wherever it will be read."""
    return str(Path(named).resolve()) if looks_like_directory(named) else named


def note_on_address(url: str) -> str | None:
    """Why services that store the address cannot be updated everywhere."""
    return NOTE_ON_UNPUBLISHED_TEMPLATE.format(directory=url) if looks_like_directory(url) else None


def own_source() -> Source:
    """The template that this package brings: in the checkout it lies in, else in the wheel."""
    directory = template.locate()
    if template.is_checkout(directory):
        return _source_in_checkout(directory)
    package = distribution("paceline")
    url, version = published_url(package), published_version(package)
    if url is None or version is None:
        return Source(directory=directory, note=NOTE_ON_UNRELEASED_PACKAGE.format(version=package.version))
    return Source(directory=directory, address={"_src_path": url, "_commit": version})


def wanted_version(ref: str | None) -> str:
    """The version that was named, else the one of this package: a tag or a commit.

    Raises :class:`PacelineError` when neither is known.
    """
    version = ref or own_version()
    if version is None:
        raise PacelineError("This paceline does not know its own version; name the template's with --ref.")
    return version


def own_version() -> str | None:
    """The template's version that this package brings: a tag or a commit."""
    directory = template.locate()
    if not template.is_checkout(directory):
        return published_version(distribution("paceline"))
    head = git.run(directory, "rev-parse", "--verify", "--quiet", "HEAD")
    return head.stdout.strip() or None


def published_url(package: Distribution) -> str | None:
    """The repository that a package was installed from, else the one that it declares, as copier takes it."""
    recorded = _recorded_repository(package)
    declared = (entry.partition(",") for entry in package.metadata.get_all("Project-URL") or [])
    urls = [url.strip() for label, _, url in declared if label.strip().lower() == "repository"]
    found = recorded["url"] if recorded else next(iter(urls), None)
    return None if found is None else _as_git_url(found)


def published_version(package: Distribution) -> str | None:
    """The tag of a released package; the commit of one that was built between releases from committed files."""
    from packaging.version import Version

    version = Version(package.version)
    if version.local is None and not version.is_devrelease and version.release != (0, 0, 0):
        return f"v{package.version}"
    recorded = _recorded_repository(package)
    if recorded:
        return recorded["vcs_info"]["commit_id"]
    built_from = COMMIT_IN_VERSION.search(package.version)
    return built_from["commit"] if built_from else None


def _recorded_repository(package: Distribution) -> dict[str, Any] | None:
    recorded = json.loads(package.read_text("direct_url.json") or "{}")
    return recorded if recorded.get("vcs_info", {}).get("vcs") == "git" else None


def _as_git_url(url: str) -> str:
    """The URL with the mark by which copier takes it for a repository, and without a password."""
    url = without_password(url)
    return url if url.startswith(TAKEN_FOR_REPOSITORIES) or url.endswith(".git") else f"git+{url}"


def _source_in_checkout(directory: Path) -> Source:
    if not (directory / "copier.yml").is_file():
        raise PacelineError(f"{directory} is not a template: it holds no copier.yml.")
    top = git.run(directory, "rev-parse", "--show-toplevel") if git.is_installed() else None
    if top is None or top.returncode or Path(top.stdout.strip()).resolve() != directory:
        return Source(directory=directory, note=NOTE_ON_TEMPLATE_WITHOUT_HISTORY)
    if git.git(directory, "status", "--porcelain"):
        return Source(directory=directory, note=NOTE_ON_UNCOMMITTED_TEMPLATE)
    url = _remote_with_head(directory)
    if url is None:
        return Source(directory=directory, note=NOTE_ON_UNPUBLISHED_TEMPLATE.format(directory=directory))
    commit = git.git(directory, "describe", "--tags", "--always", "HEAD")
    return Source(directory=directory, address={"_src_path": url, "_commit": commit})


def _is_bare_repository(directory: Path) -> bool:
    return (directory / "HEAD").is_file() and (directory / "objects").is_dir()


def _remote_with_head(checkout: Path) -> str | None:
    """The address of a remote repository that has the checked out commit, and that other machines can reach."""
    branches = git.git(
        checkout, "for-each-ref", "--contains", "HEAD", "--format=%(refname:lstrip=2)", "refs/remotes"
    ).splitlines()
    for remote in git.git(checkout, "remote").splitlines():
        url = git.git(checkout, "remote", "get-url", remote)
        is_elsewhere = not looks_like_directory(url) and not url.startswith("file:")
        if is_elsewhere and any(name.startswith(f"{remote}/") for name in branches):
            return _as_git_url(url)
    return None
