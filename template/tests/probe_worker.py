"""The task worker with a task that tests can follow: ``python -m tests.probe_worker SETTINGS``.

SETTINGS is a JSON object that overrides Celery's.
"""

import json
import os
import sys
import time
from pathlib import Path

# First: it says how a worker is to stop, before Celery is imported.
from app.tasks.__main__ import main
from app.tasks.worker import celery

WAIT = "probe.wait"


@celery.task(name=WAIT)
def wait(directory: str) -> None:
    """Say who has begun, wait for the word to go on, and say that it is done."""
    place = Path(directory)
    _add(place / "begun")
    while not (place / "go").exists():
        time.sleep(0.02)
    _add(place / "done")


def _add(file: Path) -> None:
    with file.open("a") as lines:
        lines.write(f"{os.getpid()}\n")


if __name__ == "__main__":
    celery.conf.update(json.loads(sys.argv[1]))
    main()
