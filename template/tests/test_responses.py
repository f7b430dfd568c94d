"""A response made in one step, or in parts, has the bytes that a return annotation would have given."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import pytest
from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel, Field, TypeAdapter

from app.responses import json_response
from tests.conftest import client_of


class Colour(StrEnum):
    RED = "red"


class Thing(BaseModel):
    name: str = Field(serialization_alias="Name")
    price: Decimal
    ratio: float
    seen_at: datetime
    lasts: timedelta
    id: UUID
    colour: Colour
    parts: Sequence["Thing"] = ()


def _thing(**values: object) -> Thing:
    fields: dict[str, object] = {
        "name": 'a "name" with ü and \u2028',
        "price": "1.10",
        "ratio": 0.1,
        "seen_at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "lasts": timedelta(hours=1, microseconds=1),
        "id": UUID(int=7),
        "colour": "red",
    }
    return Thing.model_validate(fields | values)


@pytest.mark.parametrize(
    "thing",
    [_thing(), _thing(ratio=float("nan")), _thing(ratio=float("inf")), _thing(parts=[_thing()])],
    ids=["plain", "nan", "infinite", "nested"],
)
async def test_it_has_the_bytes_of_a_return_annotation(thing: Thing) -> None:
    router = APIRouter()

    @router.get("/annotated")
    async def annotated() -> list[Thing]:
        return [thing]

    @router.get("/made", response_model=list[Thing])
    async def made() -> Response:
        return await json_response([thing])

    api = FastAPI()
    api.include_router(router)
    async with client_of(api) as client:
        expected, found = await client.get("/annotated"), await client.get("/made")
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert found.content == expected.content
    assert found.headers["Content-Type"] == expected.headers["Content-Type"]
    documented = paths["/made"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert documented["items"] == {"$ref": "#/components/schemas/Thing"}


@pytest.mark.parametrize("count", [0, 1, 201, 1_001])
async def test_a_list_of_any_length_is_one_list(count: int) -> None:
    things = [_thing(name=f"Thing {number}") for number in range(count)]
    assert (await json_response(things)).body == TypeAdapter(list[Thing]).dump_json(things, by_alias=True)


async def test_a_long_list_lets_others_go_on_while_it_is_made() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    await json_response([_thing() for _ in range(2_000)])
    other.cancel()
    assert turns >= 10
