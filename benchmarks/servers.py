"""The measured servers: uvicorn with uvloop and httptools, the same flags for the service and its opponents."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes
from benchmarks.cores import SERVER_CORE, pinned_to
from benchmarks.rendered import ROOT

# Nine workers that import at once on a busy machine take half of it.
_START_SECONDS = 60
_REST_SECONDS = 1.0
# Nine waiting workers look around ten times a second each.
_RESTING_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Server:
    """An ASGI application and how it is started.

    Each runs in the directory of a rendered service, whose models and settings it may import.
    """

    name: str
    application: str
    """As ``app.main:app``."""
    service: str = "memory"
    """The name of that service: its cache backend, or a peer."""
    python: str = sys.executable
    """The interpreter of the environment that it is installed in."""
    flags: Sequence[str] = ()
    """What uvicorn needs to know to find the application."""
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    cores: Sequence[int] = (SERVER_CORE,)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def pids(self) -> list[int]:
        """Of the server and its workers."""
        return processes.family_of(self.process.pid)


@contextmanager
def running(server: Server, service: Path, environment: Mapping[str, str], log: Path) -> Generator[Running]:
    """Start a server and wait until it answers; end it after the block.

    Its access log is off and its output goes nowhere, but is written. Raises ``RuntimeError`` with the end of
    ``log``, which holds its errors, when it does not start.
    """
    port = free_port()
    command = [
        *(
            server.python,
            "-m",
            "uvicorn",
            server.application,
            *server.flags,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
        *("--backlog", "2048", "--workers", str(server.workers)),
    ]
    with pinned_to(server.cores), log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=service,
            env={
                **os.environ,
                **environment,
                **server.environment,
                "PYTHONPATH": os.pathsep.join((str(service), str(ROOT))),
            },
            stdout=subprocess.DEVNULL,
            stderr=errors,
            # Ctrl-C is for this program alone, which then ends what it started.
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(server, process, port, log)
        if server.workers > 1:
            # The first worker answers while the others are still importing.
            _wait_until_it_rests(server, process)
        yield Running(port, process)
    finally:
        processes.stop(process)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_answers(server: Server, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/live")
            connection.getresponse().read()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace").strip().splitlines()[-3:]
                raise RuntimeError(f"{server.name} did not start: {' '.join(tail)}") from None
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()


def _wait_until_it_rests(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        pids = processes.family_of(process.pid)
        before = processes.wanted_seconds(pids)
        time.sleep(_REST_SECONDS)
        if len(pids) > server.workers and processes.wanted_seconds(pids) - before < _REST_SECONDS * _RESTING_SHARE:
            return
    raise RuntimeError(f"{server.name} did not come to rest within {_START_SECONDS} s")
