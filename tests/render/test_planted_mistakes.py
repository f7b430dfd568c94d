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
# With so many, a rollout is less than twice as many.
OWN_ANSWERS = {"kubernetes": {"replicas": 8}}


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
            "deploy/nginx.conf", r"keepalive_timeout 60s", "keepalive_timeout 120s", "test_a_proxy_lets_go"
        ),
        "a wrong command": Mistake("compose.yaml", r"\[python, -m, app.tasks\]", "[celery]", "test_commands_start"),
        "too little memory": Mistake(
            "compose.yaml", r"memory: 768M", "memory: 512M", "test_each_process_has_the_cores"
        ),
        "root": Mistake("Dockerfile", r"^USER 10001:10001", "USER 0:0", "test_nothing_runs_as_root"),
        "an image that is built by each who runs it": Mistake(
            "compose.yaml", r"^(  image: .*)", r"\1\n  build: .", "test_the_image_is_built_once"
        ),
        "a release that migrates last": Mistake(
            "README.md", r"run --rm migrate && (docker compose up .*)", r"\1 && run --rm migrate", "test_a_release"
        ),
        "a signal from Docker": Mistake(
            "README.md", r"^for replica in .*", "docker compose kill --signal HUP api", "test_a_container_that_is_told"
        ),
        "fewer files than connections": Mistake(
            "compose.yaml", r"nofile: 65536", "nofile: 1024", "test_a_process_takes_all"
        ),
        "bodies that fill the memory": Mistake(
            "deploy/nginx.conf", r"/var/cache/nginx/proxy;", "/tmp/proxy;", "test_the_proxy_has_the_files"
        ),
        "callers who are believed": Mistake(
            "compose.yaml", r"127\.0\.0\.1:8080:8080", "80:8080", "test_only_what_runs_on_this_host"
        ),
        "a request that is sent twice": Mistake(
            "deploy/nginx.conf",
            r"next_upstream_timeout 3s",
            "next_upstream_timeout 30s",
            "test_another_replica_is_asked",
        ),
        "content that no read-only container takes": Mistake(
            "compose.yaml", r"^volumes:", "configs: {limits: {content: x}}\n\nvolumes:", "test_nothing_is_copied_into"
        ),
        "a check of what a new process does not mend": Mistake(
            "Dockerfile", r"/health/live", "/health/ready", "test_checks_ask"
        ),
        "an image that does not run its command": Mistake(
            "Dockerfile", r"^CMD", 'ENTRYPOINT ["tini", "--"]\nCMD', "ENTRYPOINT changes what CMD"
        ),
        "an image that is killed when it is to stop": Mistake(
            "Dockerfile", r"^CMD", "STOPSIGNAL SIGKILL\nCMD", "STOPSIGNAL changes what CMD"
        ),
        "a migration that nobody waits for": Mistake(
            "compose.yaml",
            r"service_completed_successfully",
            "service_started",
            "test_nothing_of_the_service_runs_before",
        ),
        "containers that nobody counts": Mistake(
            "compose.yaml",
            r"^  worker:",
            "  beat:\n    <<: *service\n  worker:",
            "beat is not in the plan",
        ),
        "a password in the file": Mistake(
            "compose.yaml", r"^(      POSTGRES_PASSWORD: ).*", r"\1hunter2", "test_passwords_are_asked_for"
        ),
        "an address where nothing is": Mistake(
            "compose.yaml", r"redis://redis:", "redis://cache:", "test_every_server_that_is_looked_for"
        ),
        "a user who is root": Mistake(
            "compose.yaml", r"^    user: valkey", '    user: "0:0"', "test_containers_run_without_root"
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
            "deploy/systemd/upstream.conf", r"keepalive_timeout 60s", "keepalive_timeout 120s", "test_a_proxy_lets_go"
        ),
        "a wrong command": Mistake(
            "deploy/systemd/my-service-worker@.service", r"-m app\.tasks'$", "-m celery'", "test_commands_start"
        ),
        "too little memory": Mistake(
            "deploy/systemd/my-service@.service", r"MemoryMax=768M", "MemoryMax=512M", "test_each_process_has_the_cores"
        ),
        "an instance that ends with one of its processes": Mistake(
            "deploy/systemd/my-service@.service", r"^OOMPolicy=continue", "OOMPolicy=stop", "test_the_server_stops"
        ),
        "a worker that ends with one of its processes": Mistake(
            "deploy/systemd/my-service-worker@.service", r"^OOMPolicy=.*\n", "", "test_the_server_stops"
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
        "a release that is current before it migrates": Mistake(
            "deploy/systemd/release.sh",
            r'^ +ln -sfn "\$release" \$home/next$',
            'make_current "$release"',
            "test_a_release_is_current_when",
        ),
        "a migration by the release that is current": Mistake(
            "deploy/systemd/my-service-migrate.service",
            r"^WorkingDirectory=(.*)/next",
            r"WorkingDirectory=\1/current",
            "test_paths_are_those",
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
        "a port for all instances": Mistake(
            "deploy/systemd/service.env", r"^HOST=.*", r"\g<0>\nPORT=8000", "test_ports_agree"
        ),
        "a unit that is killed when it is to stop": Mistake(
            "deploy/systemd/my-service@.service",
            r"^KillMode=",
            "KillSignal=SIGKILL\nKillMode=",
            "KillSignal changes what runs",
        ),
        "an account that nobody makes": Mistake(
            "README.md", r"^CREATE ROLE \"my-service\"", 'CREATE ROLE "service"', "test_the_account_and_the_database"
        ),
    },
    "kubernetes": {
        "a misspelt variable": Mistake(
            "deploy/kubernetes/base/settings.env", r"^CPU_CORES=", "CPU_CORE=", "test_every_variable_is_a_setting"
        ),
        "a forgotten fact": Mistake(
            "deploy/kubernetes/base/settings.env", r"^WORKERS=\d+\n", "", "test_everything_that_the_service_has_to_know"
        ),
        "a forgotten secret": Mistake(
            "deploy/kubernetes/base/web.yaml",
            r"^            - name: REDIS_URL\n.*\n",
            "",
            "test_everything_that_the_service_has_to_know",
        ),
        "a secret in the file": Mistake(
            "deploy/kubernetes/base/tasks.yaml",
            r"^            - name: CELERY_BROKER_URL\n.*\n",
            "            - {name: CELERY_BROKER_URL, value: 'redis://:hunter2@redis:6379/1'}\n",
            "test_secrets_are_not",
        ),
        "settings that are not told": Mistake(
            "deploy/kubernetes/base/migration.yaml",
            r"^          envFrom:\n.*\n",
            "",
            "test_everything_that_the_service_has_to_know",
        ),
        "a wrong port of the container": Mistake(
            "deploy/kubernetes/base/web.yaml", r"containerPort: 8000", "containerPort: 8080", "test_ports_agree"
        ),
        "a wrong port for Prometheus": Mistake(
            "deploy/kubernetes/base/web.yaml", r'/port: "8000"', '/port: "9090"', "test_ports_agree"
        ),
        "a wrong port that is let through": Mistake(
            "deploy/kubernetes/base/network.yaml", r"port: 8000", "port: 8080", "test_ports_agree"
        ),
        "replicas above the plan": Mistake(
            "deploy/kubernetes/base/web.yaml",
            r"maxReplicas: 8",
            "maxReplicas: 9",
            "test_as_many_run_as_the_plan_counts",
        ),
        "workers above the plan": Mistake(
            "deploy/kubernetes/base/tasks.yaml",
            r"^  replicas: 1",
            "  replicas: 2",
            "test_as_many_run_as_the_plan_counts",
        ),
        "a larger surge than planned": Mistake(
            "deploy/kubernetes/base/web.yaml", r"maxSurge: 25%", "maxSurge: 100%", "test_as_many_run_as_the_plan_counts"
        ),
        "room that is made before the stopped are gone": Mistake(
            "deploy/kubernetes/base/web.yaml",
            r"^  minReadySeconds: 40",
            "  minReadySeconds: 39",
            "test_as_many_run_as_the_plan_counts",
        ),
        "a grace period below the ladder": Mistake(
            "deploy/kubernetes/base/web.yaml",
            r"GracePeriodSeconds: 40",
            "GracePeriodSeconds: 39",
            "test_each_wait_ends_before",
        ),
        "a notice that the grace period does not hold": Mistake(
            "deploy/kubernetes/base/web.yaml", r"seconds: 10\}", "seconds: 15}", "test_each_wait_ends_before"
        ),
        "a wrong command": Mistake(
            "deploy/kubernetes/base/migration.yaml", r"\[alembic, upgrade, head\]", "[alembic]", "test_commands_start"
        ),
        "too little memory": Mistake(
            "deploy/kubernetes/base/tasks.yaml", r"memory: 768M", "memory: 512M", "test_each_process_has_the_cores"
        ),
        "too few cores": Mistake(
            "deploy/kubernetes/base/web.yaml", r'cpu: "2"', 'cpu: "1"', "test_each_process_has_the_cores"
        ),
        "too few cores for tasks": Mistake(
            "deploy/kubernetes/base/tasks.yaml", r'cpu: "2"', 'cpu: "1"', "test_each_process_has_the_cores"
        ),
        "root": Mistake(
            "deploy/kubernetes/base/web.yaml", r"runAsUser: 10001", "runAsUser: 0", "test_nothing_runs_as_root"
        ),
        "a check of what a new process does not mend": Mistake(
            "deploy/kubernetes/base/web.yaml", r"/health/live", "/health/ready", "test_checks_ask"
        ),
        "a workload that is not applied": Mistake(
            "deploy/kubernetes/base/kustomization.yaml", r"^  - tasks.yaml\n", "", "test_deployment.py"
        ),
        "a patch that nobody reads": Mistake(
            "deploy/kubernetes/overlays/production/kustomization.yaml",
            r"^images:",
            "patches:\n  - target: {kind: HorizontalPodAutoscaler}\n"
            "    patch: '[{op: replace, path: /spec/maxReplicas, value: 40}]'\nimages:",
            "test_deployment.py",
        ),
        "settings that are in no file": Mistake(
            "deploy/kubernetes/base/kustomization.yaml",
            r"envs: \[settings.env\]",
            "envs: [settings.env]\n    literals: [WORKERS=9]",
            "test_deployment.py",
        ),
        "another word in a container than in the facts": Mistake(
            "deploy/kubernetes/base/web.yaml",
            r"^          env:",
            '          env:\n            - {name: WORKERS, value: "8"}',
            "test_all_are_told_the_same",
        ),
        "words behind a command": Mistake(
            "deploy/kubernetes/base/web.yaml",
            r"^( *)command: \[python.*",
            r"\g<0>\n\1args: [--workers, '8']",
            "test_commands_start",
        ),
        "a stop that comes before the last request": Mistake(
            "deploy/kubernetes/base/web.yaml", r"seconds: 10", "seconds: 0", "test_requests_still_come"
        ),
        "pods that nobody counts": Mistake(
            "deploy/kubernetes/base/tasks.yaml",
            r"(?s)\A.*",
            r"\g<0>---\nkind: CronJob\nmetadata: {name: cleaning}\nspec: [{image: my-service}]\n",
            "cleaning is not in the plan",
        ),
        "a notice of another kind": Mistake(
            "deploy/kubernetes/base/web.yaml",
            r"sleep: \{seconds: 10\}",
            "exec: {command: [sleep, '10']}",
            "how long a preStop of this kind takes",
        ),
    },
    "heroku": {
        "a misspelt variable": Mistake(
            "app.json", r'"CPU_CORES": ', '"CPU_CORE": ', "test_every_variable_is_a_setting"
        ),
        "a forgotten fact": Mistake(
            "app.json", r'^    "WORKERS": .*\n', "", "test_everything_that_the_service_has_to_know"
        ),
        "a forgotten add-on": Mistake(
            "app.json", r'^    \{"plan": .*"REDIS"\},\n', "", "test_everything_that_the_service_has_to_know"
        ),
        "an add-on under another name": Mistake(
            "app.json", r'"as": "CELERY_BROKER"', '"as": "BROKER"', "test_every_variable_is_a_setting"
        ),
        "a secret in the file": Mistake(
            "app.json", r'"generator": "secret"', f'"value": "{"hunter2" * 5}"', "test_secrets_are_not"
        ),
        "a wrong port": Mistake(
            "app.json", r'^    "HOST"', '    "PORT": {"value": "8080"},\n    "HOST"', "test_ports_agree"
        ),
        "a server for its own machine": Mistake(
            "app.json", r'"0\.0\.0\.0"', '"127.0.0.1"', "test_the_server_is_reached"
        ),
        "a proxy that is not believed": Mistake(
            "app.json", r'"FORWARDED_ALLOW_IPS": \{.*\},\n    ', "", "test_the_server_is_reached"
        ),
        "a server that lets go before its router": Mistake(
            "app.json", r'^    "HOST"', '    "KEEP_ALIVE": {"value": "90"},\n    "HOST"', "test_a_proxy_lets_go"
        ),
        "replicas above the plan": Mistake(
            "app.json", r'"web": \{"quantity": 2', '"web": {"quantity": 3', "test_as_many_run_as_the_plan_counts"
        ),
        "no room for the new dynos": Mistake(
            "app.json", r'(stop|beside all old ones)\.", "value": "100"', r'\1.", "value": "50"', "test_as_many_run"
        ),
        "a grace period below the ladder": Mistake(
            "app.json", r'("GRACE_PERIOD": .*)"30"', r'\1"40"', "test_each_wait_ends_before"
        ),
        "a wrong command": Mistake("Procfile", r"^worker: .*", "worker: celery worker", "test_commands_start"),
        "a migration to nowhere": Mistake("Procfile", r"upgrade head", "upgrade", "test_commands_start"),
        "too little memory": Mistake(
            "app.json", r'("worker": .*)standard-2x', r"\1standard-1x", "test_each_process_has_the_cores"
        ),
        "a database that accepts less": Mistake(
            "app.json", r"postgresql:standard-2", "postgresql:essential-2", "test_the_database_accepts_as_many"
        ),
        "a store that accepts less": Mistake(
            "app.json", r"redis:premium-\d+", "redis:premium-14", "test_the_number_of_clients"
        ),
        "dynos that nobody counts": Mistake(
            "Procfile", r"^worker:", "clock: python -m app.tasks\nworker:", "clock is not in the plan"
        ),
    },
    "render": {
        "a misspelt variable": Mistake(
            "render.yaml", r"key: CPU_CORES", "key: CPU_CORE", "test_every_variable_is_a_setting"
        ),
        "a forgotten fact": Mistake(
            "render.yaml", r"^      - key: WORKERS\n.*\n", "", "test_everything_that_the_service_has_to_know"
        ),
        "a forgotten address": Mistake(
            "render.yaml",
            r"^      - key: REDIS_URL\n(        .*\n){4}",
            "",
            "test_everything_that_the_service_has_to_know",
        ),
        "a secret in the file": Mistake(
            "render.yaml", r"generateValue: true", f"value: {'hunter2' * 5}", "test_secrets_are_not"
        ),
        "a wrong port": Mistake("render.yaml", r'value: "8000"', 'value: "10000"', "test_ports_agree"),
        "replicas above the plan": Mistake(
            "render.yaml", r"numInstances: 2", "numInstances: 3", "test_as_many_run_as_the_plan_counts"
        ),
        "no room for the new instances": Mistake(
            "render.yaml", r"(key: ROLLOUT_SURGE\n.*)100", r"\g<1>50", "test_as_many_run_as_the_plan_counts"
        ),
        "a grace period below the ladder": Mistake(
            "render.yaml", r"maxShutdownDelaySeconds: 30", "maxShutdownDelaySeconds: 20", "test_each_wait_ends_before"
        ),
        "a wrong command": Mistake("render.yaml", r"python -m app\.tasks", "celery", "test_commands_start"),
        "a migration to nowhere": Mistake("render.yaml", r"upgrade head", "upgrade", "test_commands_start"),
        "too little memory": Mistake(
            "render.yaml", r"plan: pro\n(    numInstances: 1)", r"plan: starter\n\1", "test_each_process_has_the_cores"
        ),
        "too few cores": Mistake(
            "render.yaml", r"plan: pro\n(    numInstances: 2)", r"plan: standard\n\1", "test_each_process_has_the_cores"
        ),
        "a check of what a new process does not mend": Mistake(
            "render.yaml", r"healthCheckPath: /health/live", "healthCheckPath: /health/ready", "test_checks_ask"
        ),
        "a command that is not the image's": Mistake(
            "render.yaml",
            r"^    preDeployCommand",
            "    dockerCommand: uvicorn app.main:app\n    preDeployCommand",
            "test_commands",
        ),
        "a database that accepts less": Mistake(
            "render.yaml", r"plan: pro-8gb", "plan: basic-4gb", "test_the_database_accepts_as_many"
        ),
        "a store that accepts less": Mistake(
            "render.yaml", r'(key: REDIS_MAX_CONNECTIONS\n.*)"250"', r'\g<1>"1000"', "test_the_stores_accept_as_many"
        ),
        "a store that refuses new responses when it is full": Mistake(
            "render.yaml", r"volatile-ttl", "noeviction", "test_cached_responses_make_room"
        ),
    },
    "fly": {
        "a misspelt variable": Mistake(
            "fly.toml", r"^  CPU_CORES =", "  CPU_CORE =", "test_every_variable_is_a_setting"
        ),
        "a forgotten fact": Mistake("fly.toml", r"^  WORKERS = .*\n", "", "test_everything_that_the_service_has"),
        "a forgotten secret": Mistake("README.md", r"^  REDIS_URL=.*\n", "", "test_everything_that_the_service_has"),
        "a secret in the file": Mistake(
            "fly.toml", r"^\[env\]", f'[env]\n  SECRET_KEY = "{"hunter2" * 5}"', "test_secrets_are_not"
        ),
        "a wrong port": Mistake("fly.toml", r"internal_port = 8000", "internal_port = 8080", "test_ports_agree"),
        "machines above the plan": Mistake(
            "README.md", r"^(fly scale count --yes) web=2", r"\1 web=3", "test_as_many_run_as_the_plan_counts"
        ),
        "new machines beside old ones that the plan has no room for": Mistake(
            "fly.toml", r'strategy = "rolling"', 'strategy = "bluegreen"', "test_as_many_run_as_the_plan_counts"
        ),
        "a grace period below the ladder": Mistake(
            "fly.toml", r"kill_timeout = 30", "kill_timeout = 20", "test_each_wait_ends_before"
        ),
        "a wrong command": Mistake("fly.toml", r"python -m app\.tasks", "celery", "test_commands_start"),
        "a migration to nowhere": Mistake("fly.toml", r"upgrade head", "upgrade", "test_commands_start"),
        "too little memory": Mistake(
            "fly.toml", r'memory = "768mb"', 'memory = "512mb"', "test_each_process_has_the_cores"
        ),
        "a check that keeps requests from what could answer": Mistake(
            "fly.toml", r'path = "/health/ready"', 'path = "/health"', "test_checks_ask"
        ),
        "all machines replaced at once": Mistake(
            "fly.toml", r"max_unavailable = 1", "max_unavailable = 2", "test_a_release_replaces_machines"
        ),
        "machines that nobody counts": Mistake(
            "fly.toml",
            r"^\[processes\]",
            '[processes]\n  beat = "python -m app.tasks"',
            "beat is not in the plan",
        ),
        "a server that nobody starts again": Mistake(
            "fly.toml", r'policy = "always"', 'policy = "always"\n  processes = ["worker"]', "test_every_machine"
        ),
        "a third of the machines replaced at once": Mistake(
            "fly.toml", r"^ *max_unavailable = 1\n", "", "test_a_release_replaces_machines"
        ),
    },
}


@pytest.fixture(scope="module", params=MISTAKES)
def mended_service(request: pytest.FixtureRequest, services: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service deployed by the parameter, without mistakes as far as its own test can tell."""
    directory = tmp_path_factory.mktemp("planted") / request.param
    answers = ANSWERS | OWN_ANSWERS.get(request.param, {}) | {"deployment_target": request.param}
    return render(services.parent / "template", directory, answers)


def test_each_planted_mistake_is_seen(mended_service: Path) -> None:
    mistakes = MISTAKES[mended_service.name]
    without, *seen = _failures(mended_service, list(mistakes.values()))
    assert without == []
    expected = {name: mistake.seen_by for name, mistake in mistakes.items()}
    assert [name for name, failed in zip(expected, seen, strict=True) if expected[name] not in " ".join(failed)] == []


def test_as_many_run_as_were_asked_for(mended_service: Path) -> None:
    script = (
        f"from tests.deployment_{mended_service.name} import deployed; service = deployed(); web = service.web;"
        " print(web.replicas == web.settings.replicas, service.tasks.replicas == web.settings.task_replicas)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, cwd=mended_service, env=own_environment(), text=True) == "True True\n"


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
