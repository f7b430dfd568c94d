"""The command as a whole: its help, its version, and what it needs to start."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import paceline.template
from cli.observations import Command
from paceline.errors import BrokenTemplateError


def test_the_version_is_that_of_the_package(paceline_command: Command) -> None:
    assert paceline_command("--version").stdout == f"paceline {importlib.metadata.version('paceline')}\n"


def test_without_arguments_the_commands_are_listed(paceline_command: Command) -> None:
    shown = paceline_command().output
    assert all(f"  {command} " in shown for command in ("new", "plan", "verify"))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *{name.partition('.')[0] for name in sys.modules}))\n"
        "from paceline.cli import main\n"
        "main()\n"
    )
    shown = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout
    loaded = set(shown.rpartition("LOADED")[2].split())
    assert "typer" in loaded
    assert not loaded & {"copier", "jinja2", "yaml", "rich", "questionary", "prompt_toolkit", "pydantic"}


def test_the_flags_complete_in_a_shell(checkout: Path) -> None:
    assert checkout.is_dir()
    shown = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'paceline'; from paceline.cli import main; main()"],
        env={"_PACELINE_COMPLETE": "complete_bash", "COMP_WORDS": "paceline new --data", "COMP_CWORD": "2"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "--database" in shown.split()


def test_the_template_of_a_checkout_is_preferred_to_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "generator" / "paceline"
    (package / "_bundle").mkdir(parents=True)
    monkeypatch.setattr(paceline.template, "__file__", str(package / "template.py"))
    with pytest.raises(BrokenTemplateError, match="install paceline again"):
        paceline.template.locate()
    (package / "_bundle" / "copier.yml").touch()
    assert paceline.template.locate() == package / "_bundle"
    (tmp_path / "copier.yml").touch()
    assert paceline.template.locate() == tmp_path


def test_no_flag_of_a_question_hides_one_of_the_command(paceline_command: Command) -> None:
    for command in ("new", "plan"):
        flags = [
            line.split()[0].rstrip(",")
            for line in paceline_command(command, "--help").stdout.splitlines()
            if line.startswith("  -")
        ]
        assert len(flags) == len(set(flags))
        assert "--project-name" in flags
