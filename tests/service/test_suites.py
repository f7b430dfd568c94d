"""Each row's own suite, on its servers and its Python; in some rows with the oldest dependencies too."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from environments import interpreter_of, own_environment, python_of
from matrix import Row, is_first_with, name_of, rows_with_every_choice
from rendered import newest_release, program, render

# What starts processes of its own takes most of a suite's time, and depends on one choice. It runs in the first
# row of each answer to this question.
SLOW = {
    "database": ["example/test_measure.py"],
    "worker_strategy": ["test_server.py", "test_replaced_workers.py", "test_dying_worker.py"],
    "task_queue": [
        "test_task_worker.py",
        "test_task_delivery.py",
        "example/test_report_worker.py",
        "example/test_summary_worker.py",
    ],
}


@pytest.mark.suite
def test_the_services_own_suite_passes(service: Path, row: Row, strength: int, run_directory: Path) -> None:
    elsewhere = [question for question in SLOW if not is_first_with(question, row, strength=strength)]
    options = _without(file for question in elsewhere for file in SLOW[question])
    _run_suite(service, *options, python=python_of(row["python_version"], run_directory))


@pytest.mark.beside_suites
def test_the_deployment_is_as_planned(service: Path, row: Row) -> None:
    own = f"tests/test_{row['deployment_target']}.py"
    there = [own] if (service / own).exists() else []
    _run_suite(service, "tests/test_deployment.py", *there, python=sys.executable)


# A dependency comes with a choice, not with a pair of them.
@pytest.mark.parametrize("row", rows_with_every_choice(), ids=name_of, indirect=True)
def test_the_services_own_suite_passes_with_its_oldest_dependencies(service: Path, row: Row, tmp_path: Path) -> None:
    copy = tmp_path / "service"
    shutil.copytree(service, copy, ignore=shutil.ignore_patterns("__pycache__"))
    sync = [program("uv"), "sync", "--quiet", "--python", interpreter_of(row["python_version"])]
    done = subprocess.run(
        [*sync, "--resolution", "lowest-direct", "--exclude-newer", newest_release()],
        cwd=copy,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _run_suite(copy, *_without(chain.from_iterable(SLOW.values())), python=str(copy / ".venv" / "bin" / "python"))


def test_a_suite_passes_with_facts_far_from_the_defaults(services: Path, tmp_path: Path) -> None:
    answers = {
        "database": "postgresql",
        "cache_backend": "none",
        "worker_strategy": "uvicorn",
        "worker_rule": "twice-cores",
        "cpu_cores": 4,
        "replicas": 3,
        "rollout_surge": 50,
        "database_share": 50,
        "max_connections": 200,
        "page_size_default": 1,
        "page_size_max": 1,
        "grace_period": 60,
    }
    service = render(services.parent / "template", tmp_path / "service", answers)
    _run_suite(service, *_without(chain.from_iterable(SLOW.values())), python=sys.executable)


def _without(files: Iterable[str]) -> list[str]:
    return [f"--ignore=tests/{file}" for file in files]


def _run_suite(service: Path, *options: str, python: str) -> None:
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *options],
        cwd=service,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
