"""Programs that run for as long as a block of code does."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

_KILLED_SECONDS = 10


@contextmanager
def running(
    *arguments: str, environment: Mapping[str, str], log: Path, stop_seconds: float
) -> Generator[subprocess.Popen[bytes]]:
    """Run Python with these arguments; at the end of the block it is asked to stop.

    All that it prints goes to ``log``. What has not stopped after ``stop_seconds`` is killed, with
    the processes that it has started.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  A list without a shell.
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in the terminal is for this process, which then stops the others in order.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(stop_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(_KILLED_SECONDS)


def last_line(log: Path) -> str:
    """What a program said last."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"
