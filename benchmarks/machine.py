"""Where a run took place, and how much others disturbed it."""

import os
import platform
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import processes, wrk
from benchmarks.rendered import ROOT

_PACKAGES = ("uvicorn", "uvloop", "httptools", "fastapi", "starlette", "pydantic", "sqlalchemy", "asyncpg", "redis")


def description() -> dict[str, str]:
    """The processor, the memory, the kernel, and how busy the machine is before anything is measured."""
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor[1].strip() if processor else platform.processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load before": load_average(),
    }


def software() -> dict[str, str]:
    """The versions of what is measured and measures, as far as packages know them."""
    return {
        "Python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "wrk": wrk.version(),
    }


def commit(revision: str | None) -> str:
    """What the service was rendered from."""
    if revision is not None:
        return _git("rev-parse", "--short", revision)
    changed = " with changes" if _git("status", "--porcelain", "--", "copier.yml", "template", "generator") else ""
    return _git("rev-parse", "--short", "HEAD") + changed


def command() -> str:
    """How this program was called."""
    return shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])


def load_average() -> str:
    """Of one, five and fifteen minutes."""
    return " ".join(Path("/proc/loadavg").read_text().split()[:3])


class Disturbance:
    """What others do on this machine, and its host with it, from now on."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._busy, self._stolen = _busy_seconds(), _stolen_seconds()
        self._own = _own_seconds()

    @property
    def others(self) -> float:
        """The share of all cores' time that processes have used which were not started here."""
        return max(0.0, _busy_seconds() - self._busy - (_own_seconds() - self._own)) / self._time

    @property
    def stolen(self) -> float:
        """The share of all cores' time that the host gave to other machines."""
        return (_stolen_seconds() - self._stolen) / self._time

    @property
    def _time(self) -> float:
        return max(time.monotonic() - self._started, 1e-9) * (os.cpu_count() or 1)


def _own_seconds() -> float:
    return processes.cpu_seconds_with_the_ended(processes.family_of(os.getpid()))


def _busy_seconds() -> float:
    user, nice, system, _, _, interrupts, soft_interrupts, *_ = _processor_times()
    return user + nice + system + interrupts + soft_interrupts


def _stolen_seconds() -> float:
    return _processor_times()[7]


def _processor_times() -> list[float]:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()
