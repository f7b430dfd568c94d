"""One run: the service, and a load on it."""

import os
import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter

from app.capacity import Plan
from load.measure import metrics
from load.measure.figures import Inside, Load, Traffic
from load.measure.programs import last_line, running
from load.measure.service import running_service

_RECORDER = Path(__file__).with_name("recorder.py")
# What locust needs beside the load: to start, to wait for slow answers, to write.
_MARGIN_SECONDS = 60
_STOP_SECONDS = 10


def measure(plan: Plan, load: Load, locustfile: Path, directory: Path) -> tuple[Traffic, Inside]:
    """What callers and service counted. Logs and raw figures go to ``directory``.

    Ends the process with the reason when the service does not run, or when nothing could be measured.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with running_service(plan, directory) as url:
        print(f"The service answers at {url}; measuring it for {load.seconds} s with {load.users} users.", flush=True)
        traffic = _run_locust(url, load, locustfile, directory)
    start, end = (metrics.parse((directory / f"metrics-{moment}.txt").read_text()) for moment in ("start", "end"))
    return traffic, metrics.inside(metrics.difference(start, end))


def _run_locust(url: str, load: Load, locustfile: Path, directory: Path) -> Traffic:
    # Users may come more slowly than they should: the recorder ends the run, this is only its bound.
    longest = load.users // load.spawn_rate + load.seconds + _MARGIN_SECONDS
    figures, log = directory / "traffic.json", directory / "locust.log"
    figures.unlink(missing_ok=True)
    options = {
        "--locustfile": f"{locustfile},{_RECORDER}",
        "--host": url,
        "--users": load.users,
        "--spawn-rate": load.spawn_rate,
        "--run-time": f"{longest}s",
        "--seconds": load.seconds,
        "--record": directory,
    }
    arguments = [str(part) for option in options.items() for part in option]
    command = ("-m", "locust", "--headless", "--only-summary", "--exit-code-on-error", "0", *arguments)
    with running(*command, environment=os.environ, log=log, stop_seconds=_STOP_SECONDS) as locust:
        try:
            status = locust.wait(longest + _MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            sys.exit(f"locust did not end in time; see {log}. Its last line: {last_line(log)}")
    if status != 0 or not figures.is_file():
        sys.exit(f"locust measured nothing; see {log}. Its last line: {last_line(log)}")
    return TypeAdapter(Traffic).validate_json(figures.read_bytes())
