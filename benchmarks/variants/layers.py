"""What stands in front of the routes, one layer around the other."""

from collections.abc import Iterator
from typing import TypeVar

from starlette.types import ASGIApp

Layer = TypeVar("Layer")


def layer_of(app: ASGIApp, kind: type[Layer]) -> Layer:
    """The layer of this kind in a stack of ASGI middleware. Raises ``LookupError`` when there is none."""
    waiting: list[object] = [app]
    seen: set[int] = set()
    while waiting:
        layer = waiting.pop()
        if isinstance(layer, kind):
            return layer
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        waiting.extend(value for value in _attributes(layer) if callable(value))
    raise LookupError(f"no {kind.__name__} stands in front of the routes")


def _attributes(layer: object) -> Iterator[object]:
    yield from getattr(layer, "__dict__", {}).values()
    for name in getattr(type(layer), "__slots__", ()):
        yield getattr(layer, name, None)
