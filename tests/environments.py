"""The environments that rendered services run in, one for each Python, each made once for a run."""

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from matrix import ROOT
from rendered import program

_OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def python_of(version: str, run_directory: Path) -> str:
    """The path of a Python of this version (such as "3.12"), with everything that a service needs."""
    if version == _OWN_VERSION:
        return sys.executable
    environment = run_directory / f"python-{version}"
    with FileLock(f"{environment}.lock"):
        if not environment.exists():
            _make(environment, version)
    return str(environment / "bin" / "python")


def interpreter_of(version: str) -> str:
    """What uv is asked for to get this version: a path where one is installed beside this Python."""
    # Version managers keep them side by side; elsewhere uv finds one, or fetches it.
    beside = Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python{version}")
    return str(next(beside, version))


def own_environment() -> dict[str, str]:
    """The variables of this process without those of pytest, its xdist, and this virtual environment."""
    # Without compiled bytecode each of the many processes that a suite starts takes seconds more.
    ignored = ("PYTEST_", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ignored)}


def _make(environment: Path, version: str) -> None:
    done = subprocess.run(
        [program("uv"), "sync", "--quiet", "--no-install-project", "--python", interpreter_of(version)],
        cwd=ROOT,
        env=own_environment() | {"UV_PROJECT_ENVIRONMENT": str(environment)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"The tests need Python {version} (`uv python install {version}`): {done.stderr}"
