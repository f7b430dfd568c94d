"""The files for Fly.io, Render and Heroku, held to schemas of our own from what the platforms document."""

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from matrix import ROOT, name_of, rows

SCHEMAS = ROOT / "tests" / "schemas"
FILES: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "fly": ("fly.toml", "fly.json", tomllib.loads),
    "heroku": ("app.json", "heroku-app.json", json.loads),
    "render": ("render.yaml", "render.json", yaml.safe_load),
}


@pytest.fixture(params=FILES)
def target(request: pytest.FixtureRequest) -> str:
    """A platform, as the questionnaire calls it."""
    return request.param


@pytest.fixture
def schema(target: str) -> dict[str, Any]:
    """What the platform's file may say."""
    return json.loads((SCHEMAS / FILES[target][1]).read_text())


@pytest.fixture
def validator(schema: dict[str, Any]) -> Validator:
    """The schema, as what finds errors."""
    return Draft202012Validator(schema)


@pytest.fixture
def contents(target: str, services: Path, strength: int) -> dict[str, Any]:
    """What the file of each row says, by the row's name."""
    name, _, load = FILES[target]
    chosen = [name_of(row) for row in rows(strength) if row["deployment_target"] == target]
    return {row: load((services / row / name).read_text()) for row in chosen}


def test_a_schema_is_one_and_names_its_source(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert "https://" in schema["description"]


def test_a_schema_leaves_no_object_open(schema: dict[str, Any]) -> None:
    open_objects = [place for place, part in _objects(schema, "") if part.get("additionalProperties", True) is True]
    # Of an add-on's options nobody knows the names, and a service is one of several closed kinds.
    assert [place for place in open_objects if not place.endswith(("/options", "/service"))] == []


def test_each_row_says_what_the_platform_knows(validator: Validator, contents: dict[str, Any]) -> None:
    assert len(contents) >= 3
    found = {
        row: [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]
        for row, content in contents.items()
    }
    assert {row: errors for row, errors in found.items() if errors} == {}


def test_a_key_that_the_platform_does_not_know_is_seen(validator: Validator, contents: dict[str, Any]) -> None:
    content = next(iter(contents.values()))
    places = list(_dictionaries(content))
    # The variables of a service may have any name; the contract in each service holds them to its settings.
    closed = [place for place in places if not all(str(name).isupper() for name in place)]
    assert len(closed) >= 3
    for place in closed:
        place["healthcheck-path"] = "/"
        assert not validator.is_valid(content), place
        del place["healthcheck-path"]
    assert validator.is_valid(content)


def _objects(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401  Whatever JSON holds.
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "properties" in schema:
            yield place, schema
        for name, value in schema.items():
            yield from _objects(value, f"{place}/{name}")
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value, place)


def _dictionaries(content: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  Whatever a file holds.
    if isinstance(content, dict):
        yield content
    for value in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _dictionaries(value)
