"""The service's ``uv.lock``, which the template does not render and which an update of its dependencies outdates."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

from paceline import git
from paceline.errors import PacelineError
from paceline.update_report import text_at
from paceline.verification import find_uv

LOCK = "uv.lock"


def renew_lock(service: Path, base: str) -> str | None:
    """Lock again where git has a lock and the dependencies differ from those at a commit.

    Returns a sentence for the user when it could not be done.
    """
    if not git.git(service, "ls-files", "--", LOCK):
        return None
    project = service / "pyproject.toml"
    now = project.read_text(encoding="utf-8", errors="replace") if project.is_file() else None
    if now is None or _locked_facts(text_at(service, base, project.name)) == _locked_facts(now):
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a list without a shell; only uv runs
            [find_uv(), "lock", "--quiet"],
            cwd=service,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        reason = "" if done.returncode == 0 else " ".join(done.stderr.split())[:300]
    except PacelineError as error:
        reason = str(error)
    if not reason:
        return None
    return f"The dependencies have changed and {LOCK} could not be renewed ({reason}); run `uv lock` and commit it."


def _locked_facts(text: str | None) -> tuple[Any, ...] | None:
    """What of a ``pyproject.toml`` a lock depends on; None for a file that says nothing."""
    try:
        content = tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return None
    project = content.get("project", {})
    facts = [project.get(name) for name in ("requires-python", "dependencies", "optional-dependencies")]
    return (*facts, content.get("dependency-groups"), content.get("tool", {}).get("uv"))
