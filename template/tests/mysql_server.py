"""A MariaDB or MySQL server of the tests' own: ``python -m tests.mysql_server`` runs one.

It listens on loopback, keeps its data in a temporary directory and trusts everyone, so it is for
tests and for trying things out.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.local_server import run_until_ended, unprivileged_user, wait_until_it_says
from tests.ports import free_port

_START_SECONDS = 60
_PORT = 3306
_DEVELOPMENT_DATABASE = "service"
# Where packages put servers, which is not on every user's PATH.
_SYSTEM_PROGRAMS = "/usr/sbin:/usr/libexec:/usr/local/sbin:/opt/homebrew/bin"

# A statement for each line. By TCP, from here: root@localhost may be for the socket only.
_ACCOUNTS = (
    "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';",
    "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;",
    f"CREATE DATABASE {_DEVELOPMENT_DATABASE} CHARACTER SET utf8mb4;",
    "",
)


class MissingServerError(RuntimeError):
    """There is no server to run. The message says what to install."""


@contextmanager
def mysql_server(*, max_connections: int = 151, port: int | None = None, log: Path | None = None) -> Generator[str]:
    """Run a server; yields its URL without a database name.

    It writes to ``log``, or to a file of its own. Raises ``RuntimeError`` when it does not start, and
    :class:`MissingServerError` when it is not installed.
    """
    server = _program("mariadbd", "mysqld")
    with TemporaryDirectory(prefix="mysql-") as name:
        directory = Path(name)
        # A server refuses to run as root.
        user = unprivileged_user()
        if user is not None:
            shutil.chown(directory, user)
        data = directory / "data"
        _initialise(server, data, user)
        accounts = directory / "accounts.sql"
        accounts.write_text("\n".join(_ACCOUNTS))
        port = port or free_port()
        log = log or directory / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(server, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"),
                    *(f"--socket={directory / 'socket'}", f"--pid-file={directory / 'pid'}", f"--init-file={accounts}"),
                    *("--skip-name-resolve", "--skip-log-bin", f"--max-connections={max_connections}"),
                    # Nothing here has to outlive a crash.
                    *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
                    *("--loose-innodb-flush-method=nosync", "--loose-sync-frm=OFF", "--innodb-fast-shutdown=2"),
                    # MySQL's second protocol, on a port that may be taken; MariaDB has none.
                    "--loose-mysqlx=OFF",
                ],
                stdout=output,
                stderr=output,
                user=user,
                cwd=directory,
            )
        try:
            # The line that says so ends in the port.
            wait_until_it_says(f"port: {port}", process, log, seconds=_START_SECONDS)
            yield f"mysql+asyncmy://root@127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _program(*names: str) -> str:
    path = f"{os.environ.get('PATH', '')}:{_SYSTEM_PROGRAMS}"
    for name in names:
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    raise MissingServerError(
        "There is no MariaDB or MySQL server on this machine; install one (on Debian and Ubuntu:"
        " `apt-get install mariadb-server`), or set TEST_DATABASE_URL to a server of yours."
    )


def _initialise(server: str, data: Path, user: str | None) -> None:
    if "mariadb" in Path(server).resolve().name:
        installer = _program("mariadb-install-db", "mysql_install_db")
        options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        _run(installer, "--no-defaults", f"--datadir={data}", *options, user=user)
    else:
        _run(server, "--no-defaults", f"--datadir={data}", "--initialize-insecure", user=user)


def _run(program: str, *arguments: str, user: str | None) -> None:
    # As another user, in a working directory that it may enter.
    done = subprocess.run([program, *arguments], user=user, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(program).name} failed: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    try:
        run_until_ended(
            mysql_server(port=_PORT), lambda url: f"DATABASE_URL={url}/{_DEVELOPMENT_DATABASE} (until Ctrl-C)"
        )
    except MissingServerError as error:
        sys.exit(str(error))
    except RuntimeError:
        sys.exit(f"The server did not start; is port {_PORT} taken? Stop that server, or set DATABASE_URL to it.")
