"""The service with 100 other routes in nested routers before its own."""

from fastapi import APIRouter

import app.routers
from benchmarks.variants.additions import add_behind_the_others

_VERSIONS = 2
_GROUPS = 5
_ROUTES = 10


async def _answer() -> dict[str, bool]:
    return {"ok": True}


def _crowd() -> APIRouter:
    crowd = APIRouter()
    for version in range(_VERSIONS):
        outer = APIRouter(prefix=f"/v{version}")
        for group in range(_GROUPS):
            inner = APIRouter(prefix=f"/group{group}")
            for number in range(_ROUTES):
                inner.add_api_route(f"/route{number}/{{key}}", _answer, name=f"{version}-{group}-{number}")
            outer.include_router(inner)
        crowd.include_router(outer)
    return crowd


add_behind_the_others()
app.routers.ROUTERS = (_crowd(), *app.routers.ROUTERS)

from app.main import app  # noqa: E402

__all__ = ["app"]
