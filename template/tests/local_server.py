"""What the servers that tests start have in common."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path


def unprivileged_user() -> str | None:
    """Who runs a server that refuses to be run by root; None for whoever runs the tests."""
    return "nobody" if os.geteuid() == 0 else None


def wait_until_it_says(words: str, process: subprocess.Popen[bytes], log: Path, *, seconds: float) -> None:
    """Wait for a line of a server's log. Raises ``RuntimeError`` with the log when it does not come."""
    deadline = time.monotonic() + seconds
    while words not in (said := log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The server did not start: {said}")
        time.sleep(0.02)


def run_until_ended(server: AbstractContextManager[str], announce: Callable[[str], str]) -> None:
    """Run a server for development until Ctrl-C. ``announce`` makes of its address what is printed."""
    # Also when the terminal closes, the server is to end with this process.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        with server as address:
            print(announce(address), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("Stopped.")
