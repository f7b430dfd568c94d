"""A PgBouncer of the tests' own, with the deployed configuration, in front of a PostgreSQL server.

It is a program of the system (Debian and Ubuntu: ``apt-get install pgbouncer``).
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Generator, Mapping
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL, make_url

from tests.local_server import unprivileged_user, wait_until_it_says
from tests.ports import free_port

(CONFIGURATION,) = (Path(__file__).parent.parent / "deploy").rglob("pgbouncer.ini")

_START_SECONDS = 60
# Where a PostgreSQL trusts everyone, PgBouncer still asks its clients.
_PASSWORD = "for-tests"


@contextmanager
def pgbouncer_server(
    database_url: str, *, port: int | None = None, statement_timeout: int | None = None, **settings: object
) -> Generator[str]:
    """Run a PgBouncer in front of a server; yields its URL without a database name.

    Its configuration is the deployed one, but for addresses and encryption, for every database of the server instead of
    one, and for what is given: a ``statement_timeout`` in milliseconds, and ``settings`` of PgBouncer's own.
    Raises ``RuntimeError`` when it is not installed or does not start.
    """
    program = _program()
    server = make_url(database_url)
    port = port or free_port()
    url = server.set(host="127.0.0.1", port=port, password=server.password or _PASSWORD, database=None, query={})
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        directory = Path(name)
        # PgBouncer refuses to run as root.
        user = unprivileged_user()
        if user is not None:
            shutil.chown(directory, user)
        log = directory / "log"
        (directory / "userlist.txt").write_text(f'"{url.username}" "{url.password}"\n')
        addresses = {"auth_file": directory / "userlist.txt", "listen_addr": "127.0.0.1", "listen_port": port}
        addresses["server_tls_sslmode"] = "prefer"
        target = _target(server, statement_timeout)
        _configure(directory / "pgbouncer.ini", target, {**addresses, **settings})
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, str(directory / "pgbouncer.ini")], stdout=output, stderr=output, user=user, cwd=directory
            )
        try:
            wait_until_it_says("process up", process, log, seconds=_START_SECONDS)
            yield url.render_as_string(hide_password=False)
        finally:
            # At once: clients are sent away.
            process.send_signal(signal.SIGTERM)
            process.wait()


def deployed_configuration() -> ConfigParser:
    """What deploy/pgbouncer.ini says."""
    configuration = ConfigParser(interpolation=None, comment_prefixes=(";",))
    configuration.read(CONFIGURATION)
    return configuration


def _target(server: URL, statement_timeout: int | None) -> str:
    (target,) = deployed_configuration()["databases"].values()
    target = re.sub(r"\bhost=\S+ port=\d+", f"host={server.host} port={server.port or 5432}", target)
    if statement_timeout is None:
        return target
    return re.sub(r"\bstatement_timeout = \d+", f"statement_timeout = {statement_timeout}", target)


def _configure(file: Path, target: str, settings: Mapping[str, object]) -> None:
    configuration = deployed_configuration()
    configuration["databases"].clear()
    configuration["databases"]["*"] = target
    configuration["pgbouncer"].update({name: str(value) for name, value in settings.items()})
    with file.open("w") as output:
        configuration.write(output)


def _program() -> str:
    # Debian keeps it where only root's PATH looks.
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise RuntimeError("PgBouncer is not installed; install it first, on Debian by `apt-get install pgbouncer`.")
    return program
