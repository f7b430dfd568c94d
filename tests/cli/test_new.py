"""``paceline new``: what it makes, shows and prints."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.observations import Command, Process, git, hide_commands, names_in


def stored(service: Path) -> dict[str, object]:
    return yaml.safe_load((service / ".copier-answers.yml").read_text())


def test_the_defaults_make_a_service_with_one_commit_on_main(paceline_command: Command, work: Path) -> None:
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert (work / "demo" / "README.md").read_text().startswith("# My Service\n")
    assert git(work / "demo", "symbolic-ref", "--short", "HEAD") == "main"
    assert git(work / "demo", "rev-list", "--count", "HEAD") == "1"
    assert git(work / "demo", "status", "--porcelain") == ""
    assert git(work / "demo", "log", "-1", "--format=%an") == "Ada"
    assert names_in(work) == ["demo"]


def test_without_git_there_is_no_history(paceline_command: Command, work: Path) -> None:
    assert paceline_command("new", "demo", "--defaults", "--no-git").exit_code == 0
    assert not (work / "demo" / ".git").exists()


def test_the_plan_is_shown_with_its_sums(paceline_command: Command) -> None:
    result = paceline_command("new", "demo", "--defaults", "--preset", "api", "--replicas", "3")
    assert "95 connections / 6 web processes" in result.stdout
    assert "6 x 15 = 90, at most 95" in result.stdout


def test_the_directory_is_open_as_any_other(paceline_command: Command, work: Path) -> None:
    paceline_command("new", "demo", "--defaults")
    (work / "other").mkdir()
    assert stat.S_IMODE((work / "demo").stat().st_mode) == stat.S_IMODE((work / "other").stat().st_mode)


def test_missing_parents_are_made(paceline_command: Command, work: Path) -> None:
    assert paceline_command("new", "services/shop/demo", "--defaults").exit_code == 0
    assert (work / "services" / "shop" / "demo" / ".copier-answers.yml").is_file()


def test_an_empty_directory_is_filled(paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "demo").mkdir()
    monkeypatch.chdir(work / "demo")
    result = paceline_command("new", ".", "--defaults")
    assert result.exit_code == 0, result.output
    assert git(work / "demo", "status", "--porcelain") == ""
    assert names_in(work / "demo") == [".copier-answers.yml", ".git", "README.md", "app"]
    assert "\nThe service is ready. Try:\n" in result.stdout


def test_the_printed_commands_run(paceline_command: Command, work: Path, uv: Path) -> None:
    result = paceline_command("new", "my demo", "--defaults")
    commands = [line.strip() for line in result.stdout.splitlines() if line.startswith("    ")]
    assert len(commands) == 2
    subprocess.run(["sh", "-e"], input="\n".join(commands), text=True, check=True, cwd=work)
    assert uv.read_text().startswith(f"{work / 'my demo'}: run pytest")


def test_a_uv_beside_the_interpreter_is_printed_with_its_path(
    paceline_command: Command, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_commands(monkeypatch, uv.parent / "path", but="git")
    binaries = uv.parent / "binaries"
    monkeypatch.setattr("sys.executable", str(binaries / "python"))
    assert f"    {binaries / 'uv'} run pytest" in paceline_command("new", "demo", "--defaults").stdout


def test_without_uv_the_user_is_told_how_to_get_it(
    paceline_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_commands(monkeypatch, tmp_path / "path", but="git")
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0
    assert "pip install uv" in result.stderr


def test_a_dry_run_shows_the_plan_and_the_files_and_writes_nothing(paceline_command: Command, work: Path) -> None:
    result = paceline_command("new", "some/demo", "--defaults", "--dry-run")
    assert result.exit_code == 0
    assert "web processes" in result.stdout
    assert "main.py" in result.stdout
    assert "Nothing was written" in result.stdout
    assert names_in(work) == []


def test_json_is_all_there_is_on_stdout(paceline_command: Command, work: Path) -> None:
    result = paceline_command("new", "demo", "--defaults", "--json", "--preset", "platform")
    made = json.loads(result.stdout)
    assert made["answers"]["task_queue"] == "celery-redis"
    assert made["plan"]["task_processes"] == 2
    assert ".copier-answers.yml" in made["files"]
    assert not [file for file in made["files"] if file.startswith(".git/")]
    assert made["dest"] == str(work / "demo")
    assert made["commands"][0] == "cd demo"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-d", "project_name=Orders"],
        ["--preset", "platform", "--replicas", "3", "--advanced", "--workers", "3"],
        ["--database", "postgresql", "--page-size-max", "50", "--no-advanced"],
    ],
)
def test_the_answers_in_json_make_the_same_service_again(
    paceline_command: Command, work: Path, arguments: list[str]
) -> None:
    result = paceline_command("new", "one", "--defaults", "--no-git", "--json", *arguments)
    answers = json.loads(result.stdout)["answers"]
    assert answers == {name: answer for name, answer in stored(work / "one").items() if not name.startswith("_")}
    (work / "answers.json").write_text(json.dumps(answers))
    again = paceline_command("new", "two", "--defaults", "--no-git", "--answers", "answers.json")
    assert again.exit_code == 0, again.output
    assert contents(work / "one") == contents(work / "two")


def test_json_of_a_dry_run_says_what_would_be_made(paceline_command: Command, work: Path) -> None:
    made = json.loads(paceline_command("new", "demo", "--defaults", "--dry-run", "--json").stdout)
    assert "app/main.py" in made["files"]
    assert names_in(work) == []


def test_the_more_particular_answer_wins(paceline_command: Command, work: Path) -> None:
    standard = work / "standard.yml"
    standard.write_text("cpu_cores: 3\nreplicas: 3\ncache_backend: memory\ndatabase_share: 50\n")
    arguments = ["--defaults", "--preset", "api", "--answers", standard, "-d", "replicas=4"]
    made = json.loads(paceline_command("new", "demo", *arguments, "--cpu-cores", "5", "--json").stdout)
    answers = made["answers"]
    assert answers["cpu_cores"] == 5, "a flag wins over the answers file"
    assert answers["replicas"] == 4, "-d wins over the answers file"
    assert answers["cache_backend"] == "memory", "the answers file wins over the preset"
    assert answers["database"] == "postgresql", "the preset wins over the default"


def test_the_answers_of_another_service_can_be_a_standard(paceline_command: Command, work: Path) -> None:
    paceline_command("new", "one", "--defaults", "--preset", "api", "--project-name", "One")
    result = paceline_command("new", "two", "--defaults", "--answers", "one/.copier-answers.yml")
    assert result.exit_code == 0, result.output
    assert stored(work / "two") == stored(work / "one")


@pytest.mark.parametrize("preset", ["starter", "api", "platform"])
def test_every_preset_makes_a_service(paceline_command: Command, preset: str) -> None:
    assert paceline_command("new", "demo", "--defaults", "--preset", preset).exit_code == 0


def test_every_question_has_a_flag_with_its_help_and_computed_ones_have_none(
    paceline_command: Command, checkout: Path
) -> None:
    shown = " ".join(paceline_command("new", "--help").stdout.split())
    entries = yaml.safe_load((checkout / "copier.yml").read_text())
    questions = {name: entry for name, entry in entries.items() if not name.startswith("_")}
    for name, question in questions.items():
        is_shown = f"--{name.replace('_', '-')} " in shown and question.get("help", "") in shown
        assert is_shown == (question.get("when") is not False), name


def test_a_question_that_is_new_in_the_template_has_a_flag_at_once(
    paceline_command: Command, checkout: Path, work: Path
) -> None:
    with (checkout / "copier.yml").open("a") as questions:
        questions.write("\nregion:\n  type: str\n  help: Where it runs\n  default: north\n  choices: [north, south]\n")
    result = paceline_command("new", "demo", "--defaults", "--region", "south")
    assert result.exit_code == 0, result.output
    assert stored(work / "demo")["region"] == "south"


def test_a_yes_or_no_question_is_a_pair_of_flags(paceline_command: Command) -> None:
    chosen = paceline_command("new", "demo", "--defaults", "--dry-run", "--json", "--advanced")
    declined = paceline_command("new", "demo", "--defaults", "--dry-run", "--json", "--no-advanced")
    assert json.loads(chosen.stdout)["answers"]["advanced"] is True
    assert json.loads(declined.stdout)["answers"]["advanced"] is False


def test_copiers_own_settings_of_the_user_do_not_change_the_service(paceline_process: Process, work: Path) -> None:
    settings = work / "settings.yml"
    settings.write_text("defaults:\n  project_name: Leaked\n")
    assert paceline_process("new", "demo", "--defaults", COPIER_SETTINGS_PATH=str(settings)).returncode == 0
    assert stored(work / "demo")["project_name"] == "My Service"


def test_a_clean_checkout_renders_without_a_note(paceline_command: Command) -> None:
    assert paceline_command("new", "demo", "--defaults").stderr == ""


def test_uncommitted_changes_of_the_template_are_rendered_with_a_note(
    paceline_command: Command, checkout: Path, work: Path
) -> None:
    (checkout / "template" / "draft.txt").write_text("draft")
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0
    assert (work / "demo" / "draft.txt").is_file()
    assert "uncommitted changes" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_template_without_history_is_rendered_with_a_note(paceline_command: Command, checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0
    assert "`copier update` will not work" in result.stderr


def test_what_is_rendered_is_byte_for_byte_what_copier_renders(real_checkout: Path, tmp_path: Path) -> None:
    answers = ["-d", "project_name=Orders", "-d", "database=postgresql", "-d", "cache_backend=redis"]
    environment = os.environ | {"PYTHONPATH": str(real_checkout / "generator")}
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for module, arguments in {
        "from paceline.cli import main": ["new", "--no-git", "--defaults", *answers, str(ours)],
        "from copier.__main__ import CopierApp; main = CopierApp.run": [
            "copy", "--quiet", "--defaults", *answers, ".", str(theirs)
        ],
    }.items():  # fmt: skip
        subprocess.run(
            [sys.executable, "-c", f"{module}; main()", *arguments], cwd=real_checkout, env=environment, check=True
        )
    assert contents(ours) == contents(theirs)
    assert (ours / ".copier-answers.yml").is_file()


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): (path.stat().st_mode, path.read_bytes()) for path in files}
