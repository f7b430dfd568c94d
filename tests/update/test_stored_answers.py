"""Stored answers under the rules of a version: what is refused is told with its own reason."""

from typing import Any

import pytest

from cli.conftest import REPOSITORY
from paceline.errors import PacelineError
from paceline.preflight import Version, plan_after, plan_before

STORED = {"project_name": "Shop", "database": "postgresql", "max_connections": 100, "worker_strategy": "uvicorn"}
VERSION = Version(template=REPOSITORY, name="v2.0.0")


def _refusal(stored: dict[str, Any], given: dict[str, Any]) -> str:
    with pytest.raises(PacelineError) as refusal:
        plan_after(VERSION, STORED | stored, given, suggested={})
    return str(refusal.value)


@pytest.mark.parametrize(("stored", "given"), [({"replicas": 500}, {}), ({}, {"replicas": "500"})])
def test_answers_that_need_too_many_connections_are_refused_with_the_sum_of_their_own_database(
    stored: dict[str, Any], given: dict[str, Any]
) -> None:
    assert "need 1000 connections, but only 95 are usable (100 - 5 reserved)" in _refusal(stored, given)


def test_a_plan_that_no_provider_has_is_refused_by_its_name() -> None:
    assert "v2.0.0 of the template refuses the stored answer database_plan: nobodys" in _refusal(
        {"database_plan": "nobodys"}, {}
    )


def test_an_answer_of_another_type_is_refused_as_such() -> None:
    sentence = _refusal({"replicas": [2]}, {})
    assert "v2.0.0 of the template refuses a stored answer (replicas must be a whole number, not [2]);" in sentence
    with pytest.raises(PacelineError, match="put back the answer that the files were made with"):
        plan_before(VERSION, STORED | {"replicas": [2]})


def test_a_number_in_quotes_is_the_number() -> None:
    assert plan_before(VERSION, STORED | {"replicas": "2"}) == plan_before(VERSION, STORED | {"replicas": 2})
