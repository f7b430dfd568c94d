"""Servers that no wheel brings: Debian's packages, installed where they are missing."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# The program by which a package is recognised, and the package.
_PROGRAMS = {
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


class MissingServersError(RuntimeError):
    """Servers that the tests need are not there. The message names their packages."""


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


def _apt_get(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", "-qq", *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingServersError(f"apt-get {arguments[0]} failed: {done.stderr}")


if __name__ == "__main__":
    install_servers()
