"""Each row's own suite, on its servers and its Python; in some rows with the oldest dependencies too."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from environments import interpreter_of, own_environment, python_of
from matrix import Row, name_of, rows_with_every_choice
from rendered import newest_release, program, render

# It puts load on a running service for some seconds; what it measures with is the same in every row.
LOAD_RUN = "tests/example/test_measure.py"


def test_the_services_own_suite_passes(service: Path, row: Row, run_directory: Path) -> None:
    python = python_of(row["python_version"], run_directory)
    _run_suite(service, f"--ignore={LOAD_RUN}", python=python)


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
    _run_suite(copy, python=str(copy / ".venv" / "bin" / "python"))


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
    _run_suite(render(services.parent / "template", tmp_path / "service", answers), python=sys.executable)


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
