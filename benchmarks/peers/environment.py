"""Environments of their own for other people's packages, made by uv."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

_INSTALL_SECONDS = 180


def environment_with(directory: Path, packages: list[str]) -> Path:
    """A virtual environment with these packages, on the Python of this run; returns its directory of programs.

    Raises ``RuntimeError`` when they cannot be installed.
    """
    run([sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(directory)])
    python = directory / "bin" / "python"
    run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *packages])
    return directory / "bin"


def dependencies_of(project: Path) -> list[str]:
    """What a project's ``pyproject.toml`` asks for."""
    return list(tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"])


def run(command: list[str], *, cwd: Path | None = None, **environment: str) -> None:
    """Run a command that asks nothing. Raises ``RuntimeError`` with the last line of what it said."""
    # Its own programs first, then those of this environment: some look for uv.
    path = os.pathsep.join((str(Path(command[0]).parent), str(Path(sys.executable).parent), os.environ["PATH"]))
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=cwd,
            env={**os.environ, "PATH": path, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{Path(command[0]).name} did not end within {_INSTALL_SECONDS} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing was said").splitlines()
        raise RuntimeError(f"{Path(command[0]).name} failed: {said[-1].strip()}")
