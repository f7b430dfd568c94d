"""A Memcached server of the tests' own, from this system: ``python -m tests.memcached_server`` runs one."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from tests.local_server import run_until_ended, unprivileged_user
from tests.ports import free_port

_PORT = 11211
_START_SECONDS = 60


@contextmanager
def memcached_server(*, port: int | None = None, options: Sequence[str] = ()) -> Generator[str]:
    """Run a server on loopback; yields its address. Raises ``RuntimeError`` when it does not start."""
    port = port or free_port()
    # Memcached refuses to run as root, and changes to this user itself.
    user = ["-u", name] if (name := unprivileged_user()) else []
    command = [_program(), "-l", "127.0.0.1", "-p", str(port), "-U", "0", *user, *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(process, port)
            yield f"127.0.0.1:{port}"
        finally:
            # It has nothing to save, and takes a second to end when it is asked to.
            process.kill()


async def ask(address: str, command: str) -> str:
    """The line that a server answers to a command."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{command}\r\n".encode())
    line = await reader.readuntil(b"\r\n")
    writer.close()
    await writer.wait_closed()
    return line.decode().rstrip()


def _program() -> str:
    program = shutil.which("memcached", path=f"{os.environ.get('PATH', '')}:/usr/bin")
    if program is None:
        raise RuntimeError("Memcached is not installed; install the package memcached by apt-get or brew.")
    return program


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"Memcached did not start; is port {port} taken? Stop that server, or use it.")


if __name__ == "__main__":
    try:
        run_until_ended(memcached_server(port=_PORT), lambda address: f"MEMCACHED_SERVER={address} (until Ctrl-C)")
    except RuntimeError as error:
        sys.exit(str(error))
