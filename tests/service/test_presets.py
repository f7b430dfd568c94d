"""The presets as a user gets them: one command that renders, installs, lints, types and tests."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from rendered import program


@pytest.mark.parametrize("preset", ["starter", "platform"])
def test_a_preset_is_verified_by_the_command_that_makes_it(preset: str, tmp_path: Path) -> None:
    command = [program("paceline"), "new", str(tmp_path / "demo"), "--preset", preset]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, "--defaults", "--verify", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-6_000:]
    assert len(json.loads(done.stdout)["checks"]) == 5
    history = ["git", "log", "--oneline"]
    commits = subprocess.run(history, cwd=tmp_path / "demo", capture_output=True, text=True, check=True).stdout
    assert len(commits.splitlines()) == 1
