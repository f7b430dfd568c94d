"""``paceline plans``: the managed databases whose limits are known."""

import json

from cli.observations import Command
from paceline.database_plans import read_plans


def test_every_plan_is_listed_with_its_limit_its_source_and_the_day_it_was_read(paceline_command: Command) -> None:
    shown = paceline_command("plans").stdout
    for plan in read_plans():
        assert f"{plan.source}, read on {plan.read_on}" in shown
        [line] = [line for line in shown.splitlines() if line.split()[:1] == [plan.name]]
        assert f" {plan.connections} connections" in line


def test_what_a_provider_keeps_for_itself_is_told(paceline_command: Command) -> None:
    lines = paceline_command("plans").stdout.splitlines()
    [line] = [line for line in lines if line.startswith("azure-postgresql-b1ms")]
    assert line.split() == ["azure-postgresql-b1ms", "50", "connections", "15", "of", "them", "reserved"]


def test_scripts_get_the_plans_as_a_list(paceline_command: Command) -> None:
    shown = json.loads(paceline_command("plans", "--json").stdout)
    assert [plan["name"] for plan in shown] == [plan.name for plan in read_plans()]
    assert {"connections", "engine", "provider", "provider_reserved", "read_on", "source"} < set(shown[0])


def test_the_list_is_the_same_each_time(paceline_command: Command) -> None:
    assert paceline_command("plans").stdout == paceline_command("plans").stdout
