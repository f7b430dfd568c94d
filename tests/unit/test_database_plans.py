"""The plans of managed databases: each well-formed, with a source, and as its provider's formula has it."""

import re
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from paceline.capacity import BOUNDS
from paceline.database_plans import FILE, find_plan, larger_plans, read_plans

PROVIDERS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
GIB = 2**30


def of_provider(provider: dict[str, Any]) -> str:
    return provider["provider"]


def test_there_are_many_plans_of_many_providers() -> None:
    assert len(read_plans()) >= 100
    assert len(PROVIDERS) >= 15


@pytest.mark.parametrize("provider", PROVIDERS, ids=of_provider)
def test_a_provider_states_its_engine_its_page_its_words_and_the_day_they_were_read(provider: dict[str, Any]) -> None:
    assert set(provider) == {"provider", "engine", "source", "read_on", "says", "plans"}
    assert provider["engine"] in {"postgresql", "mysql"}
    page = urlsplit(provider["source"])
    assert page.scheme == "https"
    assert "." in page.netloc
    assert provider["read_on"] <= datetime.now(tz=UTC).date()
    assert provider["says"].strip()


@pytest.mark.parametrize("provider", PROVIDERS, ids=of_provider)
def test_a_plan_has_a_readable_name_and_numbers_within_the_bounds(provider: dict[str, Any]) -> None:
    low, high = BOUNDS["max_connections"]
    for name, plan in provider["plans"].items():
        assert re.fullmatch(r"[a-z][a-z0-9]*([.-][a-z0-9]+)+", name)
        assert set(plan) <= {"connections", "reserved", "memory_gib"}
        assert low <= plan["connections"] <= high
        assert 0 <= plan["reserved"] < plan["connections"]


@pytest.mark.parametrize("provider", PROVIDERS, ids=of_provider)
def test_a_limit_stands_in_the_words_of_the_source_unless_a_formula_does(provider: dict[str, Any]) -> None:
    formulas = ("divided by", "LEAST(", "per 1 GiB", "Number of vCPUs")
    if any(formula in provider["says"] for formula in formulas):
        return
    quoted = {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\b", provider["says"])}
    assert {plan["connections"] for plan in provider["plans"].values()} <= quoted


def test_no_name_stands_twice() -> None:
    assert [name for name, count in Counter(plan.name for plan in read_plans()).items() if count > 1] == []


def test_providers_are_sorted_by_name_and_their_plans_by_size() -> None:
    names = [provider["provider"] for provider in PROVIDERS]
    assert names == sorted(set(names), key=str.casefold)
    for provider in PROVIDERS:
        sizes = [plan["connections"] for plan in provider["plans"].values()]
        assert all(one <= other for one, other in pairwise(sizes)), provider["provider"]


# Formulas ---------------------------------------------------------------------------------------


def from_memory(memory_gib: int, bytes_for_a_connection: int) -> int:
    """AWS's formula, of the memory less 0.3 GiB and 5 % of the rest for the system and what manages it."""
    return (memory_gib * 100 - 30) * 95 * GIB // (100 * 100 * bytes_for_a_connection)


@pytest.mark.parametrize(
    ("provider_name", "bytes_for_a_connection", "most"),
    [("Amazon RDS for PostgreSQL", 9_531_392, 5_000), ("Amazon RDS for MySQL", 12_582_880, 100_000)],
)
def test_an_instance_class_has_the_limit_of_the_formula(
    provider_name: str, bytes_for_a_connection: int, most: int
) -> None:
    [provider] = [provider for provider in PROVIDERS if provider["provider"] == provider_name]
    assert f"{bytes_for_a_connection}" in provider["says"].replace(",", "")
    for name, plan in provider["plans"].items():
        assert plan["connections"] == min(most, from_memory(plan["memory_gib"], bytes_for_a_connection)), name


@pytest.mark.parametrize(
    ("instance_class", "memory_gib"), [("t4g.medium", 4), ("t4g.large", 8), ("r6g.large", 16), ("r6g.xlarge", 32)]
)
def test_what_is_left_out_of_the_memory_keeps_below_what_aws_lists(instance_class: str, memory_gib: int) -> None:
    listed = find_plan(f"aurora-postgresql-db.{instance_class}").connections
    assert listed * 0.95 < from_memory(memory_gib, 9_531_392) < listed


@pytest.mark.parametrize(
    ("prefix", "connections_for_each"), [("digitalocean-postgresql-", 25), ("yandex-postgresql-", 200)]
)
def test_a_limit_by_size_is_a_multiple_of_the_size(prefix: str, connections_for_each: int) -> None:
    sizes = {plan.name: re.fullmatch(rf"{prefix}(\d+)(gb|-vcpus)", plan.name) for plan in read_plans()}
    matches = {name: int(size[1]) for name, size in sizes.items() if size}
    assert len(matches) >= 4
    for name, size in matches.items():
        assert find_plan(name).connections == size * connections_for_each


# Ways out ---------------------------------------------------------------------------------------


def test_the_larger_plans_are_the_same_providers_and_the_next_comes_first() -> None:
    assert [plan.name for plan in larger_plans(find_plan("render-8gb"))] == ["render-16gb", "render-32gb"]
    assert larger_plans(find_plan("render-32gb")) == []


def test_a_reserve_leaves_room_for_a_migration_and_a_human() -> None:
    assert find_plan("azure-postgresql-b1ms").reserved_connections == 17
    assert find_plan("aiven-postgresql-free").reserved_connections == 5
