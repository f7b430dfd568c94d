"""A RabbitMQ server of the tests' own: ``python -m tests.rabbitmq_server`` runs one.

It is the system's (Debian's package rabbitmq-server), listens on loopback and keeps its data in a
temporary directory.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from amqp.exceptions import AMQPError
from kombu import Connection

from tests.local_server import run_until_ended, unprivileged_user
from tests.ports import free_port

_START_SECONDS = 120
_PORT = 5672

# Debian's command of this name runs for root and one other user only; this is what it runs.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@contextmanager
def rabbitmq_server(*, vhosts: Sequence[str], port: int | None = None) -> Generator[str]:
    """Start a server with these virtual hosts; yields its URL without one, before it is ready.

    It takes some seconds, which the tests that need no broker can use: see :func:`wait_until_ready`.
    Raises ``RuntimeError`` when RabbitMQ is not installed.
    """
    program, epmd = _program(), shutil.which("epmd")
    if program is None or epmd is None:
        raise RuntimeError("RabbitMQ is not installed; install Debian's package rabbitmq-server.")
    port, epmd_port, distribution_port = port or free_port(), free_port(), free_port()
    user = unprivileged_user()
    with TemporaryDirectory(prefix="rabbitmq-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        environment = _configure(directory, vhosts, port)
        environment |= {"ERL_EPMD_PORT": str(epmd_port), "RABBITMQ_DIST_PORT": str(distribution_port)}
        if user is not None:
            for path in (directory, *directory.iterdir()):
                shutil.chown(path, user)
        with (directory / "log").open("wb") as output:
            commands = ([epmd, "-port", str(epmd_port), "-address", "127.0.0.1"], [str(program)])
            processes = [
                subprocess.Popen(
                    command,
                    env=environment,
                    user=user,
                    cwd=directory,
                    # Erlang ends when its input does, and so with this process.
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                )
                for command in commands
            ]
        try:
            yield f"amqp://guest:guest@127.0.0.1:{port}"
        finally:
            # Nothing in it is to last, so nothing has to be put away.
            for process in reversed(processes):
                process.kill()
                process.communicate()


def wait_until_ready(url: str) -> None:
    """Wait for a server to take connections to its virtual host. Raises ``RuntimeError`` when it does not."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with Connection(url, connect_timeout=5) as connection:
                connection.connect()
        except (OSError, AMQPError) as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start within {_START_SECONDS} s: {error!r}") from error
            time.sleep(0.1)
        else:
            return


def _program() -> Path | None:
    if _PROGRAM.exists():
        return _PROGRAM
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


def _configure(directory: Path, vhosts: Sequence[str], port: int) -> dict[str, str]:
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
        "vhosts": [{"name": vhost} for vhost in vhosts],
        "permissions": [{"user": "guest", "vhost": vhost, **everything} for vhost in vhosts],
    }
    (directory / "definitions.json").write_text(json.dumps(definitions))
    (directory / "plugins").write_text("[].")
    (directory / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nload_definitions = {directory / 'definitions.json'}\n"
    )
    return {
        "PATH": os.environ["PATH"],
        # Where Erlang keeps its cookie.
        "HOME": str(directory),
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "tests@localhost",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_LOG_BASE": str(directory / "data"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # Without a shell around it, so that its process is the one to end.
        "RABBITMQ_ALLOW_INPUT": "true",
    }


@contextmanager
def _ready_server() -> Generator[str]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", _PORT))
    with rabbitmq_server(vhosts=["/"], port=_PORT) as url:
        wait_until_ready(f"{url}//")
        yield url


if __name__ == "__main__":
    try:
        run_until_ended(_ready_server(), lambda url: f"CELERY_BROKER_URL={url}//\nCtrl-C stops it.")
    except OSError:
        sys.exit(f"Port {_PORT} is taken; stop that server, or use it.")
    except RuntimeError as error:
        sys.exit(str(error))
