"""The presets as a user gets them: made and verified by one command, and their example deleted by another."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from environments import own_environment

NOTE = '''"""Notes."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Timestamped


class Note(Timestamped, Base):
    """Something to remember."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(200))
'''

ENVIRONMENT = own_environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("preset", ["starter", "platform"])
def test_a_preset_is_verified_by_the_command_that_makes_it_and_stays_green_without_its_example(
    preset: str, tmp_path: Path
) -> None:
    demo = tmp_path / "demo"
    made = _run("paceline", "new", str(demo), "--preset", preset, "--defaults", "--verify", "--json", cwd=tmp_path)
    assert len(json.loads(made)["checks"]) == 5
    assert len(_run("git", "log", "--oneline", cwd=demo).splitlines()) == 1

    section = (demo / "README.md").read_text().split("## Delete the example")[1]
    commands = section.split("```sh\n")[1].split("```")[0]
    assert "passed" in _run("bash", "-euo", "pipefail", "-c", commands, cwd=demo)
    assert not list(demo.glob("app/*/item*.py"))
    _check(demo)
    if preset == "starter":
        _add_a_table(demo)
        _check(demo)
        assert "passed" in _run("uv", "run", "pytest", "tests/test_rules.py", cwd=demo)


def _add_a_table(service: Path) -> None:
    """Add a model and its migration, as the README says."""
    (service / "app" / "models" / "note.py").write_text(NOTE)
    with (service / "app" / "models" / "__init__.py").open("a") as models:
        models.write("\nfrom app.models.note import Note\n\n__all__ += ['Note']\n")
    _run("uv", "run", "ruff", "check", "--fix", "--unsafe-fixes", "--ignore", "E402", "app/models", cwd=service)
    _run("uv", "run", "ruff", "format", "app/models", cwd=service)
    _run("uv", "run", "alembic", "revision", "--autogenerate", "--message", "Create my table", cwd=service)
    _run("uv", "run", "alembic", "upgrade", "head", cwd=service)


def _check(service: Path) -> None:
    _run("uv", "run", "ruff", "check", "--ignore", "E402", cwd=service)
    _run("uv", "run", "ruff", "format", "--check", cwd=service)
    _run("uv", "run", "ty", "check", cwd=service)


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    # With --json what the checks say is on the standard error, and the other is the list of all files.
    said = done.stderr if "--json" in command else done.stdout + done.stderr
    assert done.returncode == 0, f"{command[:3]}: {said[-3_000:]}"
    return done.stdout
