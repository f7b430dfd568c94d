"""Load by wrk: one thread on its own core, keep-alive connections, exact percentiles."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import OTHER_CORE, pinned_to

_SCRIPT = Path(__file__).with_name("wrk.lua")
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked again and again. ``{n}`` in the path runs from 1 to ``count``."""

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    count: int = 0
    status: int = 200
    """What the answer must be."""
    is_conditional: bool = False
    """Sent with the ETag of the current answer."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What wrk saw in one run. Times are in milliseconds."""

    requests: int
    requests_per_second: float
    p50: float
    p95: float
    p99: float
    longest: float
    failures: int
    """Answers with a status of 400 or more; a 304 is a success."""
    socket_errors: int
    bytes_per_answer: float


def is_installed() -> bool:
    """Whether there is a wrk to run."""
    return shutil.which("wrk") is not None


def version() -> str:
    """As ``4.1.0``."""
    shown = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)  # noqa: S607
    found = re.search(r"\d+\.\d+(\.\d+)?", shown.stdout + shown.stderr)
    return found.group() if found else "unknown"


def put_under_load(port: int, request: Request, *, connections: int, seconds: int) -> Load:
    """Ask a server on loopback for some seconds. Raises ``RuntimeError`` when wrk fails."""
    environment = {**os.environ, "WRK_METHOD": request.method, "WRK_PATH": request.path}
    if request.body is not None:
        environment["WRK_BODY"] = request.body
    if request.count:
        environment["WRK_COUNT"] = str(request.count)
    headers = [part for name, value in request.headers for part in ("-H", f"{name}: {value}")]
    command = [
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
        *("--timeout", f"{_TIMEOUT_SECONDS}s", "-s", str(_SCRIPT), *headers),
        f"http://127.0.0.1:{port}{request.path.replace('{n}', '1')}",
    ]
    with pinned_to([OTHER_CORE]):
        done = subprocess.run(  # noqa: S603
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + _TIMEOUT_SECONDS,
        )
    line = next((line for line in done.stdout.splitlines() if line.startswith("FIGURES ")), None)
    if line is None:
        raise RuntimeError(f"wrk failed: {(done.stderr or done.stdout).strip()}")
    return _load_of(json.loads(line.removeprefix("FIGURES ")))


def _load_of(figures: dict[str, int]) -> Load:
    return Load(
        requests=figures["requests"],
        requests_per_second=figures["requests"] / figures["microseconds"] * 1e6,
        p50=figures["p50"] / 1000,
        p95=figures["p95"] / 1000,
        p99=figures["p99"] / 1000,
        longest=figures["max"] / 1000,
        failures=figures["failures"],
        socket_errors=figures["socket_errors"] + figures["timeouts"],
        bytes_per_answer=figures["bytes"] / max(1, figures["requests"]),
    )
