"""Services rendered for tests, each once for all test processes of a run."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import copier

from matrix import ROOT


def copy_template(directory: Path) -> Path:
    """The template as it is in the work tree, as a plain directory that copier renders as it is."""
    (directory / "generator" / "paceline").mkdir(parents=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "copier.yml", "template", "generator"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in files:
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return directory


def render(template: Path, directory: Path, answers: dict[str, Any]) -> Path:
    """A service with these answers and copier's defaults; no code of the template's is trusted."""
    copier.run_copy(str(template), directory, data=answers, defaults=True, quiet=True, settings=copier.Settings())
    return directory


def files_of(directory: Path) -> list[Path]:
    """The files below a directory, as paths relative to it."""
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())


def program(name: str) -> str:
    """The path of a command that this environment installs."""
    return str(Path(sys.executable).parent / name)


def newest_release() -> str:
    """The moment after which no release of a dependency is used; the variable of uv moves it."""
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    return os.environ.get("UV_EXCLUDE_NEWER", pinned)
