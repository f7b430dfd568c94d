"""PostgreSQL and Valkey from wheels, on the core that the measured server leaves free, and the seeded data."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
from redis import Redis

from benchmarks.cores import OTHER_CORE, pinned_to

ITEMS = 100_000
CATEGORIES = 50
_SETUP_SECONDS = 180


@contextmanager
def postgresql(service: Path, log: Path, *, max_connections: int) -> Generator[str]:
    """A server as the service's own tests start it; yields the URL of its database."""
    with (
        pinned_to([OTHER_CORE]),
        _module(service, "postgresql_server").postgresql_server(max_connections=max_connections, log=log) as url,
    ):
        yield f"{url}/postgres"


@contextmanager
def valkey(service: Path) -> Generator[str]:
    """A server as the service's own tests start it; yields its URL."""
    server: AbstractContextManager[str] = _module(service, "valkey_server").valkey_server()
    with pinned_to([OTHER_CORE]), server as url:
        yield f"{url}/0"


def seed(service: Path, environment: dict[str, str]) -> None:
    """The service's own migrations and example data, and statistics for the planner."""
    for module in (
        ("alembic", "upgrade", "head"),
        ("load.seed", "--items", str(ITEMS), "--categories", str(CATEGORIES)),
    ):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", *module],
            cwd=service,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SETUP_SECONDS,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{module[0]} failed: {done.stderr.strip()}")
    query(environment["DATABASE_URL"], "VACUUM ANALYZE")


def query(url: str, statement: str) -> Any:  # noqa: ANN401
    """Run one statement; returns the first value of its first row, if it has rows."""
    return asyncio.run(_query(url, statement))


def postgresql_version(url: str) -> str:
    """As ``18.1``."""
    return str(query(url, "SHOW server_version"))


def valkey_version(url: str) -> str:
    """As ``9.1.2``."""
    with Redis.from_url(url) as redis:
        information: Any = redis.info("server")
    return str(information.get("valkey_version", information.get("redis_version")))


async def _query(url: str, statement: str) -> Any:  # noqa: ANN401
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def _module(service: Path, name: str) -> ModuleType:
    # By files: there is a directory of this name here too.
    for shared in ("ports", "local_server"):
        sys.modules[f"tests.{shared}"] = _load(service, shared)
    return _load(service, name)


def _load(service: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"rendered_{name}", service / "tests" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise RuntimeError(f"the rendered service has no tests/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
