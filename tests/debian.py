"""Programs that no wheel brings: Debian's packages, installed where they are missing."""

import os
import platform
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

# The program by which a package is recognised, and the package.
_PROGRAMS = {
    "buildah": "buildah",
    "curl": "curl",
    # It brings libseccomp too.
    "systemd-analyze": "systemd",
}
_SERVERS = {
    "mariadbd": "mariadb-server",
    "memcached": "memcached",
    "pgbouncer": "pgbouncer",
    "rabbitmq-server": "rabbitmq-server",
}
_SYSTEM_PROGRAMS = "/usr/sbin:/usr/lib/rabbitmq/bin"
# What Debian's packages ask before they start a server; 101 forbids it (invoke-rc.d(8)).
_START_POLICY = Path("/usr/sbin/policy-rc.d")

# Kustomize is in Debian since 13.
_SUITE_OF_KUSTOMIZE = "trixie"
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


class MissingServersError(RuntimeError):
    """Programs that the tests need are not there. The message names their packages."""


def install_servers() -> None:
    """Install the servers and programs that are missing, without starting any of them.

    Raises :class:`MissingServersError` where that takes another user or another system.
    """
    _install(_SERVERS | _PROGRAMS)


def install_programs() -> None:
    """Install the programs alone. Raises what :func:`install_servers` does."""
    _install(_PROGRAMS)


def _install(packages: dict[str, str]) -> None:
    missing = [package for program, package in packages.items() if not _is_there(program)]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingServersError(f"The tests need these servers; install them first: {', '.join(missing)}.")
    with _starts_forbidden():
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *missing)


def kustomize(directory: Path) -> list[str]:
    """The command that builds a kustomization; where there is none, Debian's is unpacked below ``directory``.

    Raises :class:`MissingServersError` where that takes another system.
    """
    for program, verb in (("kustomize", "build"), ("kubectl", "kustomize")):
        installed = shutil.which(program)
        if installed is not None:
            return [installed, verb]
    unpacked = directory / "kustomize"
    if not unpacked.exists():
        _unpack("kustomize", _SUITE_OF_KUSTOMIZE, unpacked)
    return [str(unpacked / "usr" / "bin" / "kustomize"), "build"]


def _unpack(package: str, suite: str, directory: Path) -> None:
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    if release.get("ID") != "debian" or not _SOURCES.exists():
        raise MissingServersError(f"The tests need {package} (or kubectl, which has it inside); install it first.")
    with TemporaryDirectory(prefix="apt-") as name:
        parts, lists, cache = (Path(name) / part for part in ("parts", "lists", "cache"))
        for path in (parts, lists / "partial", cache / "archives" / "partial"):
            path.mkdir(parents=True)
        # The system's own sources, of another suite.
        sources = _SOURCES.read_text().replace(release["VERSION_CODENAME"], suite)
        (parts / _SOURCES.name).write_text(sources)
        options = [
            *("-o", "Dir::Etc::sourcelist=-", "-o", f"Dir::Etc::sourceparts={parts}"),
            *("-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"),
        ]
        _apt_get("update", options=options)
        _apt_get("download", package, options=options, directory=Path(name))
        (archive,) = Path(name).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), str(directory)], check=True)


def _is_there(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PROGRAMS}") is not None


@contextmanager
def _starts_forbidden() -> Generator[None]:
    if _START_POLICY.exists():
        yield
        return
    _START_POLICY.write_text("#!/bin/sh\nexit 101\n")
    _START_POLICY.chmod(0o755)
    try:
        yield
    finally:
        _START_POLICY.unlink()


def _apt_get(*arguments: str, options: Sequence[str] = (), directory: Path | None = None) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *options, *arguments]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingServersError(f"apt-get {arguments[0]} failed: {done.stderr}")


if __name__ == "__main__":
    install_servers()
