"""Each row's own suite, on the servers that it was rendered for."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_services_own_suite_passes(service: Path) -> None:
    # Without the variables by which pytest-xdist tells this process that it is a worker.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"],
        cwd=service,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
