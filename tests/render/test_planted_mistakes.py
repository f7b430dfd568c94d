"""The contract of a deployment's files fails on each kind of mistake that it is there for."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from environments import own_environment
from rendered import render

ANSWERS = {
    "database": "postgresql",
    "cache_backend": "redis",
    "worker_strategy": "gunicorn",
    "task_queue": "celery-redis",
    "replicas": 2,
    "max_connections": 200,
}


class Mistake(NamedTuple):
    """A text of a file, as a regular expression, what stands there instead, and the test that sees it."""

    file: str
    right: str
    wrong: str
    seen_by: str


MISTAKES = {
    "compose": {
        "a misspelt variable": Mistake(
            "compose.yaml", r"^  CPU_CORES:", "  CPU_CORE:", "test_every_variable_is_a_setting"
        ),
        "a forgotten fact": Mistake(
            "compose.yaml", r"^  WORKERS: \d+\n", "", "test_everything_that_the_service_has_to_know"
        ),
        "a forgotten address": Mistake(
            "compose.yaml", r"^  REDIS_URL: .*\n", "", "test_everything_that_the_service_has_to_know"
        ),
        "a secret in the file": Mistake(
            "compose.yaml", r"\$\{POSTGRES_PASSWORD:[^}]*\}@", "hunter2@", "test_secrets_are_not"
        ),
        "a wrong port": Mistake("deploy/nginx.conf", r"server api:8000", "server api:8080", "test_ports_agree"),
        "replicas above the plan": Mistake(
            "compose.yaml", r"^      replicas: \*replicas", "      replicas: 3", "test_as_many_run_as_the_plan_counts"
        ),
        "a grace period below the ladder": Mistake(
            "compose.yaml", r"^  stop_grace_period: 30s", "  stop_grace_period: 20s", "test_each_wait_ends_before"
        ),
        "an impatient proxy": Mistake(
            "deploy/nginx.conf", r"read_timeout 24s", "read_timeout 20s", "test_a_proxy_waits"
        ),
        "a proxy that holds on": Mistake(
            "deploy/nginx.conf", r"keepalive_timeout 60s", "keepalive_timeout 75s", "test_a_proxy_lets_go"
        ),
        "a wrong command": Mistake("compose.yaml", r"\[python, -m, app.tasks\]", "[celery]", "test_commands_start"),
        "too little memory": Mistake(
            "compose.yaml", r"memory: 768M", "memory: 512M", "test_each_process_has_the_cores"
        ),
        "root": Mistake("Dockerfile", r"^USER 10001:10001", "USER 0:0", "test_nothing_runs_as_root"),
        "a check of what a new process does not mend": Mistake(
            "Dockerfile", r"/health/live", "/health/ready", "test_checks_ask"
        ),
    },
    "systemd": {
        "a misspelt variable": Mistake(
            "deploy/systemd/service.env", r"^CPU_CORES=", "CPU_CORE=", "test_every_variable_is_a_setting"
        ),
        "a forgotten fact": Mistake(
            "deploy/systemd/service.env", r"^WORKERS=\d+\n", "", "test_everything_that_the_service_has_to_know"
        ),
        "a forgotten address": Mistake(
            "deploy/systemd/service.env", r"^REDIS_URL=.*\n", "", "test_everything_that_the_service_has_to_know"
        ),
        "a forgotten secret": Mistake(
            "README.md", r"^SECRET_KEY=\$.*\n", "", "test_everything_that_the_service_has_to_know"
        ),
        "a secret in the file": Mistake(
            "deploy/systemd/service.env",
            r"^HOST=",
            "DATABASE_URL=postgresql://me:hunter2@db/me\nHOST=",
            "test_secrets_are_not",
        ),
        "secrets that a unit does not get": Mistake(
            "deploy/systemd/my-service-migrate.service",
            r"^EnvironmentFile=/etc/.*\n",
            "",
            "test_everything_that_the_service_has_to_know",
        ),
        "a wrong port": Mistake("deploy/systemd/upstream.conf", r":8001", ":8000", "test_ports_agree"),
        "an instance that gets no requests": Mistake(
            "deploy/systemd/upstream.conf", r"^ +server .*:8002.*\n", "", "test_nginx_sends_requests_to_each"
        ),
        "an instance that is left out after its restart": Mistake(
            "deploy/systemd/upstream.conf", r"8002 max_fails=0", "8002", "test_no_instance_is_left_out"
        ),
        "replicas above the plan": Mistake(
            "deploy/systemd/my-service.target",
            r"^(Wants=my-service@8002.service)",
            r"\1 my-service@8003.service",
            "test_as_many_run_as_the_plan_counts",
        ),
        "a grace period below the ladder": Mistake(
            "deploy/systemd/my-service@.service", r"^TimeoutStopSec=30", "TimeoutStopSec=20", "test_each_wait_ends"
        ),
        "an impatient proxy": Mistake(
            "deploy/systemd/nginx.conf", r"read_timeout 24s", "read_timeout 20s", "test_a_proxy_waits"
        ),
        "a proxy that holds on": Mistake(
            "deploy/systemd/upstream.conf", r"keepalive_timeout 60s", "keepalive_timeout 75s", "test_a_proxy_lets_go"
        ),
        "a wrong command": Mistake(
            "deploy/systemd/my-service-worker@.service", r"-m app\.tasks$", "-m celery", "test_commands_start"
        ),
        "too little memory": Mistake(
            "deploy/systemd/my-service@.service", r"MemoryMax=768M", "MemoryMax=512M", "test_each_process_has_the_cores"
        ),
        "too few cores": Mistake(
            "deploy/systemd/my-service@.service", r"CPUQuota=200%", "CPUQuota=100%", "test_each_process_has_the_cores"
        ),
        "root": Mistake("deploy/systemd/my-service@.service", r"^User=.*", "User=root", "test_nothing_runs_as_root"),
        "another user than the README makes": Mistake(
            "README.md", r"nologin my-service$", "nologin service", "test_all_run_as_the_one_user"
        ),
        "a release that waits for too little": Mistake(
            "deploy/systemd/release.sh", r"/health/ready", "/health/live", "test_checks_ask"
        ),
        "a release that does not migrate": Mistake(
            "deploy/systemd/release.sh",
            r"systemctl start .*-migrate",
            "systemctl start my-service",
            "test_only_a_release",
        ),
        "a restart that migrates": Mistake(
            "deploy/systemd/my-service@.service",
            r"^Wants=(.*)",
            r"Wants=\1 my-service-migrate.service",
            "test_only_a_release",
        ),
        "workers of one name": Mistake(
            "deploy/systemd/my-service-worker@.service", r"worker-%i", "worker", "test_workers_are_told_apart"
        ),
        "a process with powers": Mistake(
            "deploy/systemd/my-service@.service", r"^NoNewPrivileges=.*\n", "", "test_a_process_is_shut_off"
        ),
        "a database of another size": Mistake(
            "README.md", r"max_connections = 200", "max_connections = 100", "test_the_database_accepts"
        ),
    },
}


@pytest.fixture(scope="module", params=MISTAKES)
def mended_service(request: pytest.FixtureRequest, services: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service deployed by the parameter, without mistakes as far as its own test can tell."""
    directory = tmp_path_factory.mktemp("planted") / request.param
    return render(services.parent / "template", directory, ANSWERS | {"deployment_target": request.param})


def test_each_planted_mistake_is_seen(mended_service: Path) -> None:
    mistakes = MISTAKES[mended_service.name]
    without, *seen = _failures(mended_service, list(mistakes.values()))
    assert without == []
    expected = {name: mistake.seen_by for name, mistake in mistakes.items()}
    assert [name for name, failed in zip(expected, seen, strict=True) if expected[name] not in " ".join(failed)] == []


def _failures(service: Path, mistakes: list[Mistake]) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "planted.py")],
        cwd=service,
        env=own_environment(),
        input=json.dumps([mistake[:3] for mistake in mistakes]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
