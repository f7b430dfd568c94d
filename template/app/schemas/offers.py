"""Offers on the wire."""

from typing import Any

from pydantic import BaseModel


class Offers(BaseModel):
    """What other services say about an item; ``unavailable`` names those that did not answer."""

    item_id: int
    price: dict[str, Any] | None
    stock: dict[str, Any] | None
    unavailable: list[str]
