"""Whether a service holds: its environment installs, and its lint, types and tests pass."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paceline.answers import check_is_service
from paceline.errors import PacelineError


@dataclass(frozen=True)
class Check:
    """One command of uv in the service's directory."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a check ended."""

    check: Check
    exit_status: int
    seconds: float
    output: str
    """What the command printed, standard error included."""

    @property
    def passed(self) -> bool:
        """Whether the command was content."""
        return self.exit_status == 0

    def as_dict(self) -> dict[str, Any]:
        """The name, the status and the seconds, for machines."""
        return {"name": self.check.name, "exit_status": self.exit_status, "seconds": round(self.seconds, 1)}


INSTALL = Check("environment", ("sync",))
CHECKS = (
    Check("lint", ("run", "ruff", "check")),
    Check("format", ("run", "ruff", "format", "--check")),
    Check("types", ("run", "ty", "check")),
    Check("tests", ("run", "pytest")),
)


def find_uv() -> str:
    """How uv is called: ``uv`` when it is on the path, else its path beside this Python.

    Raises :class:`PacelineError` when it is in neither place.
    """
    if shutil.which("uv"):
        return "uv"
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    if beside is None:
        raise PacelineError("uv is not installed; get it with `pip install uv` and try again.")
    return beside


def verify(service: Path, *, announce: Callable[[Check], object]) -> Iterator[Outcome]:
    """Install the service's environment, then run every check in turn, also after one has failed.

    ``announce`` is called as each begins. Without an environment nothing else runs. Raises
    :class:`PacelineError` when the directory holds no service or uv is not installed.
    """
    check_is_service(service)
    uv = find_uv()
    announce(INSTALL)
    installation = _run(INSTALL, uv, service)
    yield installation
    if not installation.passed:
        return
    for check in CHECKS:
        announce(check)
        yield _run(check, uv, service)


def _run(check: Check, uv: str, service: Path) -> Outcome:
    # The environment in which we run is not the service's.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    start = time.perf_counter()
    process = subprocess.run(  # noqa: S603 - a list without a shell; the commands are those above
        [uv, *check.arguments],
        cwd=service,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return Outcome(check, process.returncode, time.perf_counter() - start, process.stdout)
