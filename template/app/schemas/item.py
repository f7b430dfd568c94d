"""Items on the wire."""

from datetime import datetime
from typing import Annotated, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.pagination import IDENTIFIER_MAX
from app.schemas.category import CategoryRead


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL characters, which databases cannot store")
    return value


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_without_nul)]
Description = Annotated[str, Field(max_length=2000), AfterValidator(_without_nul)]
PriceCents = Annotated[int, Field(ge=0, le=10**12)]
CategoryId = Annotated[int, Field(ge=1, le=IDENTIFIER_MAX)]


class ItemRead(BaseModel):
    """An item with its category."""

    id: int
    name: str
    description: str
    price_cents: int
    popularity: int
    version: int
    created_at: datetime
    updated_at: datetime
    category: CategoryRead


class ItemCreate(BaseModel):
    """A new item."""

    name: Name
    description: Description = ""
    price_cents: PriceCents
    category_id: CategoryId


def _without_defaults(schema: JsonDict) -> None:
    for field in cast("dict[str, JsonDict]", schema["properties"]).values():
        field.pop("default")


class ItemUpdate(BaseModel):
    """What changes of an item: only the fields that are given; their defaults are never used."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: Name = ""
    description: Description = ""
    price_cents: PriceCents = 0
    category_id: CategoryId = 1

    @model_validator(mode="after")
    def _change_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field to change")
        return self
