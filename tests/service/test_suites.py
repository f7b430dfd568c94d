"""Each row's own suite, on the servers that it was rendered for; in some rows with the oldest dependencies too."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from matrix import name_of, rows_with_every_choice
from rendered import newest_release, program, render


def test_the_services_own_suite_passes(service: Path) -> None:
    _run_suite(service, python=sys.executable)


# A dependency comes with a choice, not with a pair of them.
@pytest.mark.parametrize("row", rows_with_every_choice(), ids=name_of, indirect=True)
def test_the_services_own_suite_passes_with_its_oldest_dependencies(service: Path, tmp_path: Path) -> None:
    copy = tmp_path / "service"
    shutil.copytree(service, copy, ignore=shutil.ignore_patterns("__pycache__"))
    sync = [program("uv"), "sync", "--quiet", "--python", sys.executable, "--resolution", "lowest-direct"]
    done = subprocess.run(
        [*sync, "--exclude-newer", newest_release()],
        cwd=copy,
        env=_environment(),
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


def _run_suite(service: Path, *, python: str) -> None:
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"],
        cwd=service,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "skipped" not in done.stdout.splitlines()[-1]


def _environment() -> dict[str, str]:
    # Without the variables by which pytest-xdist tells this process that it is a worker.
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "VIRTUAL_ENV"))}
