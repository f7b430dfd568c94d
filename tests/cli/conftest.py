"""A checkout with the real questions and a template of three files, and ways to run the command on it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import paceline.template
from isolation import isolate, isolated
from paceline.cli import app

REPOSITORY = Path(__file__).resolve().parents[2]
MAIN = "from paceline.cli import main; main()"
PUBLISHED_AT = "https://git.example.com/acme/paceline.git"
ANSWERS_TEMPLATE = "{{ _copier_conf.answers_file }}.jinja"


def commit_all(repository: Path) -> None:
    """Make a repository of a directory, or add a commit to it."""
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "State"]):
        subprocess.run(["git", *command], cwd=repository, check=True)


def publish(checkout: Path) -> None:
    """Let a checkout be as one that was cloned from a server, which has its commit."""
    for command in (
        ["remote", "add", "origin", PUBLISHED_AT],
        ["update-ref", "refs/remotes/origin/main", "HEAD"],
    ):
        subprocess.run(["git", *command], cwd=checkout, check=True)


def copy_checkout(destination: Path, *, with_template: bool) -> Path:
    """Copy what renders: the questions and the package, and the template or an empty directory for it."""
    clean = shutil.ignore_patterns("__pycache__", ".ruff_cache")
    shutil.copytree(REPOSITORY / "generator", destination / "generator", ignore=clean)
    shutil.copy(REPOSITORY / "copier.yml", destination)
    if with_template:
        shutil.copytree(REPOSITORY / "template", destination / "template", ignore=clean)
    else:
        (destination / "template").mkdir()
    return destination


@pytest.fixture(autouse=True)
def git_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user with an identity, whatever the machine's settings are; returns the user's settings for git."""
    return isolate(monkeypatch, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def pristine_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout from which each test copies its own."""
    checkout = copy_checkout(tmp_path_factory.mktemp("pristine") / "checkout", with_template=False)
    template = checkout / "template"
    shutil.copy(REPOSITORY / "template" / ANSWERS_TEMPLATE, template)
    (template / "README.md.jinja").write_text("# {{ project_name }}\n\n{{ database }} for {{ workers }} workers\n")
    (template / "app").mkdir()
    (template / "app" / "main.py").write_text('"""The service."""\n')
    with isolated(tmp_path_factory.mktemp("home")):
        commit_all(checkout)
        publish(checkout)
    return checkout


@pytest.fixture
def real_checkout(tmp_path: Path, git_settings: Path) -> Path:
    """A checkout with the template itself, committed."""
    assert git_settings.is_file()
    checkout = copy_checkout(tmp_path / "real-checkout", with_template=True)
    commit_all(checkout)
    return checkout


@pytest.fixture
def checkout(pristine_checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the template, which this process's command uses; the working directory is beside it."""
    own = shutil.copytree(pristine_checkout, tmp_path / "checkout")
    monkeypatch.setattr(paceline.template, "locate", lambda: own)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return own


@pytest.fixture
def work(checkout: Path) -> Path:
    """The working directory, empty at first."""
    return checkout.parent / "work"


@pytest.fixture
def paceline_command(checkout: Path) -> Callable[..., Result]:
    """Runs the command in this process."""
    assert checkout.is_dir()

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def paceline_process(checkout: Path, work: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command of the checkout in a process of its own, with changes to the environment."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", MAIN, *map(str, arguments)],
            cwd=work,
            env=os.environ | {"PYTHONPATH": str(checkout / "generator")} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for uv, first on the path.

    It writes each call to the returned file, and ends with the number in a file ``fails-<first argument of run>``.
    """
    calls = tmp_path / "uv-calls"
    binaries = tmp_path / "binaries"
    binaries.mkdir()
    script = binaries / "uv"
    script.write_text(
        f"""#!/bin/sh
echo "$PWD: $* VIRTUAL_ENV=$VIRTUAL_ENV" >> '{calls}'
name=$1
[ "$name" = run ] && name=$2
echo "output of $name"
[ -f "fails-$name" ] && exit "$(cat "fails-$name")"
exit 0
"""
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(binaries), prepend=os.pathsep)
    return calls
