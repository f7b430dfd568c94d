"""A MariaDB or MySQL server of the tests' own: ``python -m tests.mysql_server`` runs one.

It listens on loopback, keeps its data in a temporary directory and trusts everyone, so it is for
tests and for trying things out.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

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
        user = _unprivileged_user()
        if user is not None:
            shutil.chown(directory, user)
        data = directory / "data"
        _initialise(server, data, user)
        accounts = directory / "accounts.sql"
        accounts.write_text("\n".join(_ACCOUNTS))
        port = port or _free_port()
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
            _wait_until_ready(process, log, port)
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


def _unprivileged_user() -> str | None:
    # A server refuses to run as root.
    return "nobody" if os.geteuid() == 0 else None


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


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    # The line that says so ends in the port.
    while f"port: {port}" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The database server did not start: {log.read_text(errors='replace')}")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _serve() -> None:
    # Also when the terminal closes, the server is to end with this process.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    with mysql_server(port=_PORT) as url:
        print(f"DATABASE_URL={url}/{_DEVELOPMENT_DATABASE} (until Ctrl-C)", flush=True)
        signal.pause()


if __name__ == "__main__":
    try:
        _serve()
    except MissingServerError as error:
        sys.exit(str(error))
    except RuntimeError:
        sys.exit(f"The server did not start; is port {_PORT} taken? Stop that server, or set DATABASE_URL to it.")
    except KeyboardInterrupt:
        print("Stopped.")
