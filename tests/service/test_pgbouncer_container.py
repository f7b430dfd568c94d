"""The command of Compose's PgBouncer, run on the real one in front of a real PostgreSQL."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import asyncpg
import pytest
import yaml

from rendered import render
from servers import free_port, postgresql

PASSWORD = "only-for-this-test"
NAME = "my-service"


def test_it_lets_in_who_has_the_password_and_lets_transactions_end(services: Path, tmp_path: Path) -> None:
    answers = {"database": "postgresql", "pgbouncer": True}
    service = render(services.parent / "template", tmp_path / "service", answers)
    with postgresql() as url:
        server = url.rpartition("@")[2]
        asyncio.run(_prepare(server))
        with _container(service, server) as (process, port, users):
            assert users.stat().st_mode & 0o777 == 0o600
            asyncio.run(_speak(process, port))
            assert process.wait(10) == 0


async def _prepare(server: str) -> None:
    connection = await asyncpg.connect(f"postgresql://postgres@{server}/postgres")
    await connection.execute(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
    await connection.execute(f'CREATE DATABASE "{NAME}"')
    await connection.close()


async def _speak(process: subprocess.Popen[bytes], port: int) -> None:
    address = f"127.0.0.1:{port}/{NAME}"
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(f"postgresql://postgres:another@{address}")
    connection = await asyncpg.connect(f"postgresql://postgres:{PASSWORD}@{address}", statement_cache_size=0)
    async with connection.transaction():
        await connection.execute("SELECT 1")
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.2)
        assert await connection.fetchval("SELECT 2") == 2
    connection.terminate()


@contextmanager
def _container(service: Path, server: str) -> Generator[tuple[subprocess.Popen[bytes], int, Path]]:
    told = yaml.safe_load((service / "compose.yaml").read_text())["services"]["pgbouncer"]
    assert told["stop_signal"] == "SIGINT"
    host, _, server_port = server.partition(":")
    port = free_port()
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        place = Path(name)
        # PgBouncer refuses to run as root.
        place.chmod(0o777)
        configuration = (service / "deploy" / "pgbouncer.ini").read_text()
        for theirs, ours in {
            "host=database port=5432": f"host={host} port={server_port}",
            "listen_port = 6432": f"listen_port = {port}",
            "listen_addr = *": "listen_addr = 127.0.0.1",
            "/tmp/": f"{place}/",
        }.items():
            assert theirs in configuration
            configuration = configuration.replace(theirs, ours)
        (place / "pgbouncer.ini").write_text(configuration)
        *shell, line = told["entrypoint"]
        # As Compose reads it.
        line = line.replace("$$", "$").replace("/tmp/", f"{place}/").replace("/etc/pgbouncer/", f"{place}/")
        process = subprocess.Popen(
            [*shell, line],
            env={"PATH": f"{os.environ['PATH']}:/usr/sbin", "POSTGRES_PASSWORD": PASSWORD},
            user="nobody" if os.geteuid() == 0 else None,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_listens(port)
            yield process, port, place / "userlist.txt"
        finally:
            process.kill()
            process.wait()


def _wait_until_it_listens(port: int) -> None:
    until = monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert monotonic() < until
            sleep(0.05)
        else:
            return
