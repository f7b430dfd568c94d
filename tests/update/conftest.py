"""A small template with versions in a bare repository, services of it, and ways to run the command on them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.conftest import MAIN, REPOSITORY
from isolation import isolate, isolated
from paceline.cli import app
from update.services import make_service
from update.small_template import make_template


@pytest.fixture(scope="session")
def pristine_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bare repository of the template, for tests that only read it."""
    with isolated(tmp_path_factory.mktemp("home")):
        return make_template(tmp_path_factory.mktemp("pristine"))


@pytest.fixture(scope="session")
def pristine_service(pristine_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service at v1.0.0, from which each test copies its own."""
    with isolated(tmp_path_factory.mktemp("home")):
        return make_service(pristine_template, tmp_path_factory.mktemp("pristine") / "demo", "v1.0.0")


@pytest.fixture(autouse=True)
def git_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user with an identity, whatever the machine's settings are; returns the user's settings for git."""
    return isolate(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture
def service(pristine_service: Path, tmp_path: Path) -> Path:
    """A service at v1.0.0, in a directory where nothing else is."""
    directory = tmp_path / "services" / "demo"
    directory.parent.mkdir()
    # Keeps the times of files, so that the index knows them.
    subprocess.run(["cp", "-a", pristine_service, directory], check=True)
    return directory


@pytest.fixture
def template(pristine_template: Path, service: Path, tmp_path: Path) -> Path:
    """A template of the test's own, from which its service was made."""
    own = tmp_path / "own" / "template.git"
    own.parent.mkdir()
    subprocess.run(["cp", "-a", pristine_template, own], check=True)
    answers = service / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(pristine_template), str(own)))
    subprocess.run(["git", "commit", "--quiet", "--all", "--amend", "--no-edit"], cwd=service, check=True)
    return own


@pytest.fixture
def paceline() -> Callable[..., Result]:
    """Runs the command in this process."""

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def start_paceline() -> Callable[..., subprocess.Popen[str]]:
    """Starts the command in a process, and a process group, of its own."""

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY / "generator")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


@pytest.fixture
def binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is first on the path."""
    directory = tmp_path / "binaries"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    return directory


@pytest.fixture
def uv(binaries: Path, tmp_path: Path) -> Path:
    """A stand-in for uv, which writes each call to the returned file.

    It ends with the number in a file ``fails-<first argument of run>`` of the service, and writes a ``uv.lock``.
    """
    calls = tmp_path / "uv-calls"
    script = binaries / "uv"
    script.write_text(
        f"""#!/bin/sh
echo "$*" >> '{calls}'
name=$1
[ "$name" = run ] && name=$2
[ "$name" = lock ] && grep -c '=' pyproject.toml > uv.lock
[ -f "fails-$name" ] && {{ echo "no $name today" >&2; exit "$(cat "fails-$name")"; }}
exit 0
"""
    )
    script.chmod(0o755)
    return calls
