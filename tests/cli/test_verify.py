"""``paceline verify``: every check runs, is shown, and counts."""

import json
from pathlib import Path

import pytest

from cli.observations import Command, hide_commands, names_in

ALL_CALLS = ["sync", "run ruff check", "run ruff format --check", "run ty check", "run pytest"]


@pytest.fixture
def service(work: Path) -> Path:
    service = work / "demo"
    service.mkdir()
    (service / ".copier-answers.yml").write_text("project_name: Demo\n")
    (service / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "0"\n')
    return service


def calls(uv: Path) -> list[str]:
    return [line.partition(": ")[2].partition(" VIRTUAL_ENV=")[0] for line in uv.read_text().splitlines()]


def test_it_installs_lints_checks_and_tests_in_the_service(paceline_command: Command, service: Path, uv: Path) -> None:
    result = paceline_command("verify", service)
    assert result.exit_code == 0, result.output
    assert calls(uv) == ALL_CALLS
    assert all(line.startswith(f"{service}: ") for line in uv.read_text().splitlines())
    for check in ("environment", "lint", "format", "types", "tests"):
        assert f"{check} " in result.stdout
    assert result.stdout.count("passed after") == len(ALL_CALLS)
    assert "output of" not in result.stdout


def test_a_check_that_fails_is_shown_with_its_output_and_the_others_run(
    paceline_command: Command, service: Path, uv: Path
) -> None:
    (service / "fails-ty").write_text("3")
    (service / "fails-pytest").write_text("4")
    result = paceline_command("verify", service)
    assert result.exit_code == 3
    assert calls(uv) == ALL_CALLS
    assert "types       failed with status 3" in result.stdout
    assert "output of ty\n" in result.stdout
    assert "output of pytest\n" in result.stdout
    assert "output of ruff" not in result.stdout


def test_without_an_environment_nothing_else_runs(paceline_command: Command, service: Path, uv: Path) -> None:
    (service / "fails-sync").write_text("2")
    result = paceline_command("verify", service)
    assert result.exit_code == 2
    assert calls(uv) == ["sync"]
    assert "output of sync" in result.stdout


def test_the_environment_of_the_command_is_not_the_services(
    paceline_command: Command, service: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere/else")
    paceline_command("verify", service)
    assert all(line.endswith("VIRTUAL_ENV=") for line in uv.read_text().splitlines())


def test_a_uv_beside_the_interpreter_is_used(
    paceline_command: Command, service: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_commands(monkeypatch, uv.parent / "path", but="cat")
    monkeypatch.setattr("sys.executable", str(uv.parent / "binaries" / "python"))
    assert paceline_command("verify", service).exit_code == 0
    assert calls(uv) == ALL_CALLS


@pytest.mark.parametrize("arguments", [["verify", "demo"], ["new", "other", "--defaults", "--verify"]])
def test_without_uv_one_sentence_says_how_to_get_it(
    paceline_command: Command,
    service: Path,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    hide_commands(monkeypatch, tmp_path / "path", but="git")
    result = paceline_command(*arguments)
    assert result.exit_code == 1
    assert result.stderr == "Error: uv is not installed; get it with `pip install uv` and try again.\n"
    assert names_in(work) == [service.name]


def test_a_new_service_can_be_verified_at_once(paceline_command: Command, work: Path, uv: Path) -> None:
    result = paceline_command("new", "demo", "--defaults", "--verify")
    assert result.exit_code == 0, result.output
    assert calls(uv) == ALL_CALLS
    assert uv.read_text().startswith(f"{work / 'demo'}: sync")


def test_a_new_service_that_fails_is_not_called_ready(paceline_command: Command, checkout: Path, uv: Path) -> None:
    passing = paceline_command("new", "passing", "--defaults", "--verify")
    (checkout / "template" / "fails-pytest").write_text("5")
    failing = paceline_command("new", "failing", "--defaults", "--verify")
    assert uv.is_file()
    assert "passing is ready" in passing.stdout
    assert "is ready" not in failing.stdout


def test_a_new_service_that_fails_is_kept_and_its_status_returned(
    paceline_command: Command, checkout: Path, work: Path, uv: Path
) -> None:
    (checkout / "template" / "fails-pytest").write_text("5")
    result = paceline_command("new", "demo", "--defaults", "--verify", "--json")
    assert result.exit_code == 5
    assert calls(uv) == ALL_CALLS
    assert (work / "demo" / "README.md").is_file()
    checks = {check["name"]: check["exit_status"] for check in json.loads(result.stdout)["checks"]}
    assert checks == {"environment": 0, "lint": 0, "format": 0, "types": 0, "tests": 5}


def test_a_check_that_was_killed_has_a_status_as_in_a_shell(paceline_command: Command, service: Path, uv: Path) -> None:
    script = uv.parent / "binaries" / "uv"
    script.write_text("#!/bin/sh\nkill -KILL $$\n")
    assert paceline_command("verify", service).exit_code == 137
