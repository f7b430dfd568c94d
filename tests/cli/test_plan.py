"""``paceline plan``: the same sums from flags, from answers and from a service."""

import json
from pathlib import Path

import pytest
from typer.testing import Result

from cli.observations import Command
from paceline.capacity import Deployment, plan


def planned(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_plan_states_each_value_with_its_reason(paceline_command: Command) -> None:
    shown = paceline_command("plan", "--preset", "platform").stdout
    assert "web processes" in shown
    assert "100 - 5 reserved" in shown
    assert "requests queue for a connection instead" in shown


def test_the_plan_follows_from_the_facts_that_the_answers_state(paceline_command: Command) -> None:
    facts = {
        "max_connections": 500,
        "reserved_connections": 10,
        "database_share": 80,
        "replicas": 4,
        "rollout_surge": 25,
        "workers": 3,
        "task_replicas": 2,
        "task_concurrency": 5,
        "cpu_cores": 6,
        "grace_period": 60,
    }
    flags = [text for fact, value in facts.items() for text in (f"--{fact.replace('_', '-')}", str(value))]
    shown = planned(paceline_command("plan", "--preset", "platform", *flags, "--json"))
    expected = plan(Deployment(**facts, pgbouncer_instances=0, redis_max_connections=10_000))
    assert shown == expected.as_dict()


def test_without_a_queue_or_redis_none_is_planned_for(paceline_command: Command) -> None:
    shown = planned(paceline_command("plan", "--database", "postgresql", "--json"))
    assert shown == plan(Deployment(pgbouncer_instances=0)).as_dict()
    redis_for_tasks = planned(paceline_command("plan", "--task-queue", "celery-redis", "--json"))
    assert redis_for_tasks["redis_pool_size"] == 20


def test_a_file_has_no_connections_to_share(paceline_command: Command) -> None:
    shown = planned(paceline_command("plan", "--json"))
    assert shown == plan(Deployment(max_connections=None)).as_dict()


def test_what_does_not_fit_the_server_fits_behind_pgbouncer(paceline_command: Command) -> None:
    refused = paceline_command("plan", "--preset", "api", "--replicas", "100")
    assert "or PgBouncer" in refused.stderr
    shown = planned(paceline_command("plan", "--preset", "api", "--replicas", "100", "--pgbouncer", "--json"))
    assert (shown["default_pool_size"], shown["pool_size"]) == (95, 4)


def test_an_existing_service_is_planned_from_its_stored_answers(paceline_command: Command) -> None:
    made = paceline_command(
        "new", "demo", "--defaults", "--preset", "platform", "--replicas", "3", "--max-connections", "300", "--json"
    )
    assert planned(paceline_command("plan", "demo", "--json")) == json.loads(made.stdout)["plan"]


def test_flags_override_what_a_service_has_stored(paceline_command: Command) -> None:
    paceline_command("new", "demo", "--defaults", "--preset", "api", "--max-connections", "200")
    shown = planned(paceline_command("plan", "demo", "--replicas", "20", "-d", "reserved_connections=10", "--json"))
    deployment = shown["deployment"]
    assert isinstance(deployment, dict)
    assert deployment["replicas"] == 20
    assert deployment["max_connections"] == 200
    assert deployment["reserved_connections"] == 10
    assert deployment["workers"] == 2


def test_stored_answers_to_questions_of_the_past_are_no_obstacle(paceline_command: Command, work: Path) -> None:
    paceline_command("new", "demo", "--defaults")
    with (work / "demo" / ".copier-answers.yml").open("a") as answers:
        answers.write("old_question: 1\n")
    assert paceline_command("plan", "demo").exit_code == 0


def test_a_plan_of_a_managed_database_brings_its_limit(paceline_command: Command) -> None:
    flags = ("--database", "postgresql", "--database-plan", "azure-postgresql-b1ms")
    shown = planned(paceline_command("plan", *flags, "--json"))
    assert shown == plan(Deployment(max_connections=50, reserved_connections=17, pgbouncer_instances=0)).as_dict()


def test_a_service_stores_the_name_of_its_plan_and_not_the_limit(paceline_command: Command, work: Path) -> None:
    flags = ("--preset", "api", "--database-plan", "azure-postgresql-b1ms", "--max-connections", "50")
    assert paceline_command("new", "demo", "--defaults", *flags).exit_code == 0
    stored = (work / "demo" / ".copier-answers.yml").read_text()
    assert "database_plan: azure-postgresql-b1ms" in stored
    assert "max_connections" not in stored
    larger = planned(paceline_command("plan", "demo", "--database-plan", "azure-postgresql-b2s", "--json"))
    assert larger["usable_connections"] == 429 - 17


def test_an_impossible_budget_is_refused_with_the_sum_of_what_is_stored(paceline_command: Command) -> None:
    paceline_command("new", "demo", "--defaults", "--preset", "api", "--max-connections", "200")
    result = paceline_command("plan", "demo", "--replicas", "100")
    assert result.exit_code == 1
    assert "200 web processes need 200 connections, but only 195 are usable (200 - 5 reserved)" in result.stderr
    assert result.stdout == ""


def test_an_impossible_budget_of_flags_is_refused_with_the_sum(paceline_command: Command) -> None:
    result = paceline_command("plan", "--preset", "api", "--replicas", "100")
    assert result.exit_code == 1
    assert "200 web processes need 200 connections, but only 95 are usable" in result.stderr


def test_an_unknown_answer_is_refused(paceline_command: Command) -> None:
    result = paceline_command("plan", "-d", "replica=3")
    assert result.exit_code == 2
    assert "did you mean 'replicas'?" in result.stderr


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_a_directory_that_is_no_service_is_refused(paceline_command: Command, work: Path, command: str) -> None:
    for directory in (work, work / "missing"):
        result = paceline_command(command, directory)
        assert result.exit_code == 1
        assert "is not a service: it holds no .copier-answers.yml" in result.stderr


def test_nothing_of_the_template_is_rendered(paceline_command: Command, checkout: Path) -> None:
    (checkout / "template" / "zz.txt.jinja").write_text("{{ no_such_answer }}")
    assert paceline_command("plan").exit_code == 0


def test_no_line_ends_with_blanks_when_it_is_not_shown_on_a_terminal(paceline_command: Command) -> None:
    lines = paceline_command("plan", "--preset", "platform").stdout.splitlines()
    assert len(lines) > 10
    assert lines == [line.rstrip() for line in lines]
