"""What is refused: with one sentence, a status, and nothing left behind."""

import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import copier
import pytest
from typer.testing import Result

from cli.observations import Command, names_in


def sentence(result: Result, *, status: int) -> str:
    """The one line on standard error of a command that failed."""
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].endswith((".", "?"))
    return lines[0]


def after_rendering(monkeypatch: pytest.MonkeyPatch, happen: Callable[[Path], None]) -> None:
    """Let something happen between the last byte that copier writes and what we do with it."""
    render = cast("Callable[..., object]", copier.run_copy)

    def render_and_let_happen(source: str, directory: Path, **settings: object) -> object:
        worker = render(source, directory, **settings)
        happen(directory)
        return worker

    monkeypatch.setattr(copier, "run_copy", render_and_let_happen)


def test_an_unknown_answer_is_refused_with_the_nearest_name(paceline_command: Command, work: Path) -> None:
    result = paceline_command("new", "demo", "--defaults", "-d", "databse=postgresql")
    assert "did you mean 'database'?" in sentence(result, status=2)
    assert names_in(work) == []


@pytest.mark.parametrize(
    ("flags", "reason", "status"),
    [
        (
            ("--database-plan", "azure-postgresq-b1"),
            "There is no database_plan 'azure-postgresq-b1'; did you mean azure-postgresql-b1ms,",
            2,
        ),
        (("--database-plan", "quantum"), "There is no database_plan 'quantum'; `paceline plans` lists them.", 2),
        (
            ("--database-plan", "rds-mysql-db.t4g.micro"),
            "rds-mysql-db.t4g.micro is a plan for mysql; choose the database mysql, or another plan",
            2,
        ),
        (
            ("--database-plan", "render-8gb", "--max-connections", "100"),
            "The plan render-8gb accepts 200 connections, not 100; leave max_connections out",
            2,
        ),
        (
            ("--database-plan", "render-8gb", "--replicas", "150"),
            "300 web processes need 300 connections, but only 188 are usable (200 - 12 reserved)",
            1,
        ),
        (
            ("--database-plan", "render-8gb", "--replicas", "150"),
            "render-8gb accepts 200; render-16gb, with 400, would do.",
            1,
        ),
        (("--database-plan", "render-32gb", "--replicas", "900"), "render-32gb accepts 500.", 1),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_the_way_out(
    paceline_command: Command, work: Path, flags: tuple[str, ...], reason: str, status: int
) -> None:
    result = paceline_command("new", "demo", "--defaults", "--preset", "api", *flags)
    assert reason in sentence(result, status=status)
    assert names_in(work) == []


def test_a_plan_without_a_server_is_refused(paceline_command: Command) -> None:
    result = paceline_command("new", "demo", "--defaults", "--database-plan", "neon-1-cu")
    assert "neon-1-cu is a plan for postgresql; choose the database postgresql" in sentence(result, status=2)


def test_an_answer_unlike_all_questions_is_refused_with_their_names(paceline_command: Command) -> None:
    result = paceline_command("new", "demo", "--defaults", "-d", "colour=red")
    assert "the questions are project_name, database" in sentence(result, status=2)


def test_an_unknown_answer_in_a_file_is_refused_with_the_file_and_the_nearest_name(
    paceline_command: Command, work: Path
) -> None:
    (work / "team.yml").write_text("cache-backend: redis\n")
    result = paceline_command("new", "demo", "--defaults", "--answers", "team.yml")
    message = sentence(result, status=2)
    assert "in team.yml" in message
    assert "did you mean 'cache_backend'?" in message
    assert names_in(work) == ["team.yml"]


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ("database=oracle", "database must be one of sqlite, postgresql, mysql, not 'oracle'."),
        ("cpu_cores=many", "cpu_cores must be a whole number, not 'many'."),
        ("cpu_cores=2.5", "cpu_cores must be a whole number, not '2.5'."),
        ("cpu_cores=0", "cpu_cores must be between 1 and 256, not 0."),
        ("advanced=maybe", "advanced must be yes or no, not 'maybe'."),
        ("project_name=9 lives", "Error: The name starts with a letter"),
        ("project_slug=mine", "project_slug is computed from other answers; it cannot be set."),
        ("workers", "-d 'workers' is not name=value; write for example -d database=postgresql."),
        ("=4", "-d '=4' is not name=value"),
    ],
)
def test_an_answer_that_cannot_be_one_is_refused_with_the_reason(
    paceline_command: Command, work: Path, pair: str, reason: str
) -> None:
    assert reason in sentence(paceline_command("new", "demo", "--defaults", "-d", pair), status=2)
    assert names_in(work) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("database: [", "is not YAML"),
        ("- database\n", "must hold lines such as 'database: postgresql'"),
        ("cpu_cores: 2.5\n", "cpu_cores must be a whole number, not 2.5."),
        ("cpu_cores: true\n", "cpu_cores must be a whole number, not True."),
        ("cpu_cores:\n", "cpu_cores must be a whole number, not None."),
        ("cache_backend: no\n", "cache_backend must be one of memory, redis, memcached, none, not False."),
        ("\x00", "is not YAML"),
    ],
)
def test_an_answers_file_that_holds_no_answers_is_refused_with_the_reason(
    paceline_command: Command, work: Path, content: str, reason: str
) -> None:
    (work / "team.yml").write_text(content)
    assert reason in sentence(paceline_command("new", "demo", "--defaults", "--answers", "team.yml"), status=2)
    assert names_in(work) == ["team.yml"]


def test_a_missing_answers_file_is_named(paceline_command: Command) -> None:
    message = sentence(paceline_command("new", "demo", "--defaults", "--answers", "team.yml"), status=2)
    assert "team.yml cannot be read: No such file or directory." in message


def test_an_unknown_preset_is_refused_with_the_presets(paceline_command: Command) -> None:
    message = sentence(paceline_command("new", "demo", "--defaults", "--preset", "huge"), status=2)
    assert message == "Error: There is no preset 'huge'; the presets are starter, api, platform."


@pytest.mark.parametrize("command", [["new", "demo", "--defaults"], ["plan"]])
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("database", "oracle"),
        ("cpu_cores", "many"),
        ("cpu_cores", "0"),
        ("project_name", "9 lives"),
        ("worker_strategy", ""),
    ],
)
def test_a_flag_is_refused_as_a_pair_is(paceline_command: Command, command: list[str], name: str, answer: str) -> None:
    as_pair = sentence(paceline_command(*command, "-d", f"{name}={answer}"), status=2)
    as_flag = sentence(paceline_command(*command, f"--{name.replace('_', '-')}", answer), status=2)
    assert as_flag == as_pair


@pytest.mark.parametrize(
    ("arguments", "contradiction"),
    [
        (["--database", "sqlite", "-d", "database=postgresql"], "--database sqlite and with -d database=postgresql"),
        (["-d", "cpu_cores=3", "-d", "cpu_cores=4"], "-d cpu_cores=3 and with -d cpu_cores=4"),
        (["--no-advanced", "-d", "advanced=yes"], "--no-advanced and with -d advanced=yes"),
    ],
)
def test_two_answers_that_contradict_each_other_are_refused_with_both(
    paceline_command: Command, arguments: list[str], contradiction: str
) -> None:
    message = sentence(paceline_command("new", "demo", "--defaults", *arguments), status=2)
    assert f" is answered twice, with {contradiction}; keep one of them." in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cpu-cores", "4", "-d", "cpu_cores=4"],
        ["--advanced", "-d", "advanced=yes"],
        ["-d", "database=sqlite", "-d", "database=sqlite"],
    ],
)
def test_an_answer_may_be_repeated(paceline_command: Command, arguments: list[str]) -> None:
    assert paceline_command("plan", *arguments).exit_code == 0


@pytest.mark.parametrize("content", ["", "# Nothing is agreed on yet.\n", "---\n"])
def test_an_empty_answers_file_answers_nothing(paceline_command: Command, work: Path, content: str) -> None:
    (work / "team.yml").write_text(content)
    result = paceline_command("plan", "--answers", "team.yml")
    assert result.exit_code == 0, result.output


def test_a_mistake_in_yaml_is_told_with_its_place(paceline_command: Command, work: Path) -> None:
    (work / "team.yml").write_text("database: sqlite\ncache_backend: [\n")
    message = sentence(paceline_command("plan", "--answers", "team.yml"), status=2)
    assert message.endswith("(line 3, column 1).")
    (work / "team.yml").write_text("\x00")
    message = sentence(paceline_command("plan", "--answers", "team.yml"), status=2)
    assert "unicode string" not in message
    assert "position 0" in message


def test_a_link_that_leads_nowhere_is_left_alone(paceline_command: Command, work: Path) -> None:
    (work / "demo").symlink_to("missing")
    message = sentence(paceline_command("new", "demo", "--defaults"), status=1)
    assert "demo is a link to missing, which does not exist; name a directory." in message
    assert names_in(work) == ["demo"]


def test_an_unknown_flag_is_refused_with_the_nearest(paceline_command: Command) -> None:
    result = paceline_command("new", "demo", "--defaults", "--databas", "sqlite")
    assert result.exit_code == 2
    assert "--database" in result.stderr


def test_without_a_terminal_the_user_is_told_to_take_the_defaults(paceline_command: Command, work: Path) -> None:
    assert "pass --defaults" in sentence(paceline_command("new", "demo"), status=2)
    assert "pass --defaults" in sentence(paceline_command("new", "demo", "--json"), status=2)
    assert names_in(work) == []


def test_a_directory_that_is_not_empty_is_left_alone(paceline_command: Command, work: Path) -> None:
    (work / "demo").mkdir()
    (work / "demo" / "precious.txt").write_text("precious")
    message = sentence(paceline_command("new", "demo", "--defaults"), status=1)
    assert "is not empty (1 entry, precious.txt for example)" in message
    assert names_in(work / "demo") == ["precious.txt"]


def test_a_file_is_left_alone(paceline_command: Command, work: Path) -> None:
    (work / "demo").write_text("precious")
    assert "demo is a file" in sentence(paceline_command("new", "demo", "--defaults"), status=1)
    assert "cannot be made, because" in sentence(paceline_command("new", "demo/in", "--defaults"), status=1)
    assert (work / "demo").read_text() == "precious"


def test_a_name_that_no_file_system_takes_is_refused(paceline_command: Command, work: Path) -> None:
    assert "cannot be made: File name too long." in sentence(paceline_command("new", 300 * "b", "--defaults"), status=1)
    assert names_in(work) == []


def test_a_place_where_nothing_can_be_made_is_named(paceline_command: Command) -> None:
    # Not even root can: the kernel makes what is in there.
    assert "/proc/demo cannot be made" in sentence(paceline_command("new", "/proc/demo", "--defaults"), status=1)


@pytest.mark.parametrize(
    ("database", "sentence_about_it", "usable"),
    [
        ("postgresql", "100 is PostgreSQL's default", "95 are usable (100 - 5 reserved)"),
        ("mysql", "151 is MySQL's default", "146 are usable (151 - 5 reserved)"),
    ],
)
def test_a_budget_that_the_default_limit_cannot_hold_is_refused_with_the_whole_sum(
    paceline_command: Command, work: Path, database: str, sentence_about_it: str, usable: str
) -> None:
    facts = [f"database={database}", "replicas=50", "worker_strategy=uvicorn", "workers=4"]
    pairs = [argument for fact in facts for argument in ("-d", fact)]
    message = sentence(paceline_command("new", "deep/demo", "--defaults", *pairs), status=1)
    assert f"200 web processes need 200 connections, but only {usable}" in message
    assert "max_connections of 205 or more" in message
    assert sentence_about_it in message
    assert "--max-connections" in message
    assert names_in(work) == []
    enough = paceline_command("new", "demo", "--defaults", *pairs, "--max-connections", "205")
    assert enough.exit_code == 0, enough.output


def test_a_budget_that_the_given_limit_cannot_hold_is_refused_with_the_whole_sum(paceline_command: Command) -> None:
    result = paceline_command(
        "new", "demo", "--defaults", "--preset", "platform", "--replicas", "10", "--max-connections", "20"
    )
    message = sentence(result, status=1)
    assert "20 web processes and 2 task processes need 22 connections, but only 15 are usable" in message
    assert "default" not in message


def test_a_limit_for_a_database_without_one_is_refused(paceline_command: Command) -> None:
    message = sentence(paceline_command("new", "demo", "--defaults", "-d", "max_connections=50"), status=2)
    assert "SQLite has no max_connections" in message


def test_a_broken_template_leaves_nothing(paceline_command: Command, checkout: Path, work: Path) -> None:
    (checkout / "template" / "zz.txt.jinja").write_text("{{ no_such_answer }}")
    result = paceline_command("new", "some/demo", "--defaults")
    message = sentence(result, status=1)
    assert "'no_such_answer' is undefined" in message
    assert "fault of the template" in message
    assert names_in(work) == []


def test_a_template_with_a_syntax_error_is_said_to_be_at_fault(
    paceline_command: Command, checkout: Path, work: Path
) -> None:
    (checkout / "template" / "zz.txt.jinja").write_text("{% if %}")
    assert "zz.txt.jinja" in sentence(paceline_command("new", "demo", "--defaults"), status=1)
    assert names_in(work) == []


def test_a_questionnaire_that_is_not_yaml_is_named(paceline_command: Command, checkout: Path) -> None:
    (checkout / "copier.yml").write_text("database: [")
    assert "copier.yml cannot be read" in sentence(paceline_command("new", "demo", "--defaults"), status=1)


def test_a_full_disk_leaves_nothing(paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(directory: Path) -> None:
        raise OSError(28, "No space left on device", str(directory / "app"))

    after_rendering(monkeypatch, fill)
    assert "No space left on device" in sentence(paceline_command("new", "a/demo", "--defaults"), status=1)
    assert names_in(work) == []


def test_ctrl_c_while_rendering_leaves_nothing(
    paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(directory: Path) -> None:
        assert (directory / "README.md").is_file()
        raise KeyboardInterrupt

    after_rendering(monkeypatch, stop)
    assert sentence(paceline_command("new", "a/demo", "--defaults"), status=130) == "Stopped; nothing was written."
    assert names_in(work) == []


def test_ctrl_c_in_an_empty_directory_leaves_it_empty(
    paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_directory: Path) -> None:
        raise KeyboardInterrupt

    after_rendering(monkeypatch, stop)
    assert paceline_command("new", ".", "--defaults").exit_code == 130
    assert names_in(work) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("arguments", [["a/demo"], ["a/demo", "--dry-run"]])
def test_a_process_that_the_system_ends_leaves_nothing(
    paceline_command: Command,
    work: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    arguments: list[str],
) -> None:
    ended: list[Path] = []

    def end(directory: Path) -> None:
        ended.append(directory)
        os.kill(os.getpid(), number)

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    after_rendering(monkeypatch, end)
    # Without this a signal that nobody handles would end the tests.
    before = signal.signal(number, lambda *_: None)
    try:
        result = paceline_command("new", *arguments, "--defaults")
        assert signal.getsignal(number) is not signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert sentence(result, status=128 + number) == "Stopped; nothing was written."
    assert len(ended) == 1
    assert names_in(work) == []
    assert names_in(tmp_path / "temporary") == []


def test_a_second_signal_does_not_end_the_cleaning_up(
    paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = cast("Callable[..., None]", shutil.rmtree)

    def remove_slowly(*arguments: object, **settings: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        remove(*arguments, **settings)

    after_rendering(monkeypatch, lambda _directory: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setattr(shutil, "rmtree", remove_slowly)
    assert sentence(paceline_command("new", "demo", "--defaults"), status=130) == "Stopped; nothing was written."
    assert names_in(work) == []


def test_a_signal_that_is_ignored_stays_ignored(
    paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_rendering(monkeypatch, lambda _directory: os.kill(os.getpid(), signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = paceline_command("new", "demo", "--defaults")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert result.exit_code == 0, result.output
    assert names_in(work) == ["demo"]


def test_a_service_can_be_made_in_a_thread(paceline_command: Command, work: Path) -> None:
    with ThreadPoolExecutor() as pool:
        assert pool.submit(paceline_command, "new", "demo", "--defaults", "--dry-run").result().exit_code == 0
    assert names_in(work) == []


def test_what_appeared_at_the_destination_meanwhile_is_left_alone(
    paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def race(_directory: Path) -> None:
        (work / "demo").mkdir()
        (work / "demo" / "README.md").write_text("precious")

    after_rendering(monkeypatch, race)
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 1
    assert "cannot be moved" in result.stderr
    assert (work / "demo" / "README.md").read_text() == "precious"
    assert names_in(work) == ["demo"]
    assert names_in(work / "demo") == ["README.md"]


def test_what_appeared_in_an_empty_destination_meanwhile_is_left_alone(
    paceline_command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def race(_directory: Path) -> None:
        (work / "README.md").write_text("precious")

    after_rendering(monkeypatch, race)
    result = paceline_command("new", ".", "--defaults")
    assert result.exit_code == 1
    assert "README.md has appeared there meanwhile" in result.stderr
    assert names_in(work) == ["README.md"]
    assert (work / "README.md").read_text() == "precious"


def test_a_rehearsal_cannot_be_verified(paceline_command: Command) -> None:
    result = paceline_command("new", "demo", "--defaults", "--dry-run", "--verify")
    assert "--dry-run" in sentence(result, status=2)


def test_without_git_the_user_is_told_how_to_do_without(
    paceline_command: Command, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert shutil.which("git") is None
    message = sentence(paceline_command("new", "demo", "--defaults"), status=1)
    assert "git is not installed" in message
    assert "--no-git" in message
    assert names_in(work) == []
