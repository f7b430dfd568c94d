"""Rules that every route and every table keeps, also those that are still to be written."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from annotated_types import Le
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from sqlalchemy import Connection, Table

from app.dependencies import current_user
from app.main import Service, app
from app.models import Base

ROUTES = [route for route in iter_route_contexts(app.api.routes) if isinstance(route.original_route, APIRoute)]
TABLES = list(Base.metadata.tables.values())


def _name(value: RouteContext | Table) -> str:
    return f"{value.name}" if isinstance(value, Table) else f"{sorted(value.methods or ())} {value.path}"


def _returned(route: RouteContext) -> object:
    assert route.endpoint is not None
    return inspect.signature(route.endpoint).return_annotation


def _dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for child in dependant.dependencies:
        yield from _dependants(child)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_every_limit_has_a_maximum(route: RouteContext) -> None:
    for dependant in _dependants(route.dependant):
        for parameter in dependant.query_params:
            if parameter.name in ("limit", "offset"):
                assert any(isinstance(rule, Le) for rule in parameter.field_info.metadata)


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_every_route_that_returns_a_list_takes_a_limit(route: RouteContext) -> None:
    returned = str(_returned(route))
    if "list[" in returned or "Page[" in returned:
        assert "limit" in {parameter.name for parameter in route.dependant.query_params}


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_every_route_is_a_coroutine_that_declares_what_it_returns(route: RouteContext) -> None:
    assert inspect.iscoroutinefunction(route.endpoint)
    assert _returned(route) is not inspect.Signature.empty


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_no_route_that_needs_a_user_is_cached_for_everyone(route: RouteContext) -> None:
    policy = getattr(route.endpoint, "cache_policy", None)
    needs_a_user = any(dependant.call is current_user for dependant in _dependants(route.dependant))
    if policy is not None:
        assert policy.private == needs_a_user


def test_every_relationship_says_how_it_is_loaded() -> None:
    for mapper in Base.registry.mappers:
        for relationship in mapper.relationships:
            assert relationship.lazy == "raise", f"{relationship} must be lazy='raise'"


@pytest.mark.parametrize("table", TABLES, ids=_name)
def test_every_foreign_key_is_indexed(table: Table) -> None:
    leading = {next(iter(index.columns)).name for index in table.indexes}
    leading |= {next(iter(table.primary_key.columns)).name}
    for foreign_key in table.foreign_keys:
        assert foreign_key.parent.name in leading


async def test_the_migrations_make_what_the_models_say(service: Service) -> None:
    async with service.resources.database.read() as connection:
        differences = await connection.run_sync(_differences)
    assert differences == []


def _differences(connection: Connection) -> list[Any]:
    # Tables that a test has made are no business of the models.
    options = {"include_object": lambda _, name, kind, __, ___: kind != "table" or name in Base.metadata.tables}
    return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
