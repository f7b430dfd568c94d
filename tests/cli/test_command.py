"""The command as a whole: its help, its version, and what it needs to start."""

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import paceline.template
from cli.conftest import REPOSITORY
from cli.observations import Command
from paceline.errors import BrokenTemplateError
from paceline.presets import PRESETS


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


def completed(line: str) -> list[str]:
    """What bash offers at the end of a line."""
    return subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'paceline'; from paceline.cli import main; main()"],
        env={
            "_PACELINE_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()


def test_the_flags_complete_in_a_shell(checkout: Path) -> None:
    assert checkout.is_dir()
    assert "--database" in completed("paceline new --data")


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


def test_the_presets_are_told_with_what_they_contain(paceline_command: Command) -> None:
    shown = " ".join(paceline_command("new", "--help").stdout.split())
    for preset, answers in PRESETS.items():
        contained = ", ".join(f"{name} {answer}" for name, answer in answers.items())
        assert f"{preset} ({contained})" in shown


def test_the_choices_are_told_and_complete_in_a_shell(paceline_command: Command, checkout: Path) -> None:
    assert checkout.is_dir()
    shown = paceline_command("new", "--help").stdout
    assert "--database <sqlite|postgresql|mysql>" in shown
    assert "--preset <starter|api|platform>" in shown
    assert completed("paceline new --database ") == ["sqlite", "postgresql", "mysql"]
    assert completed("paceline new --database p") == ["postgresql"]
    assert completed("paceline plan --preset ") == ["starter", "api", "platform"]


@pytest.mark.parametrize("command", [["-m", "paceline"], ["-c", "{console_script}"]])
def test_control_c_while_the_command_is_loaded_is_a_sentence(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    module, function = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"][
        "paceline"
    ].split(":")
    console_script = f"import sys; from {module} import {function} as run; sys.exit(run())"
    done = subprocess.run(
        [sys.executable, *(word.format(console_script=console_script) for word in command), "new", "demo"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY / "generator")])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped; nothing was written.\n")


def test_the_package_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "paceline", "--version"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "generator")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("paceline ")


def test_control_c_outside_of_the_writing_is_a_sentence(
    paceline_command: Command, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    assert checkout.is_dir()
    monkeypatch.setattr("paceline.cli.gather", stop)
    result = paceline_command("plan")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "Stopped.\n")
