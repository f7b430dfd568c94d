"""How the tests run the command and look at what it did."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Command = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


def names_in(directory: Path) -> list[str]:
    """What a directory holds, sorted."""
    return sorted(path.name for path in directory.iterdir())


def git(directory: Path, *arguments: str | Path) -> str:
    """What git prints."""
    done = subprocess.run(["git", *map(str, arguments)], cwd=directory, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def hide_commands(monkeypatch: pytest.MonkeyPatch, directory: Path, *, but: str) -> None:
    """Leave one command on the path, by a link in a directory that is made for it, and none beside the interpreter."""
    command = shutil.which(but)
    assert command
    directory.mkdir()
    (directory / but).symlink_to(command)
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr("sys.executable", str(directory / "python"))
