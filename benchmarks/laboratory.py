"""Everything that the measurements stand on: rendered services, seeded PostgreSQL, Valkey, recorded answers."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import backends, rendered, servers
from benchmarks.cases import DASHBOARD_PATH, NOT_MODIFIED_PATH, POPULAR, SERVICE, USER
from benchmarks.probe import answer_of
from benchmarks.servers import Running, Server

# Long enough for what production demands, and no secret.
_SECRET = "only-for-benchmarks-" + 16 * "x"
# Servers with pools of up to 32 are up side by side.
_MAX_CONNECTIONS = 500
_NEAR_SETTING = "cache_near_seconds"


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    """What is there while the block of :func:`laboratory` runs."""

    directory: Path
    services: dict[str, Path]
    environment: dict[str, str]
    token: str

    @property
    def has_near_cache(self) -> bool:
        """Whether the service on Valkey can keep hits in the process for a moment."""
        return _NEAR_SETTING in (self.services["redis"] / "app" / "config.py").read_text()

    def with_service(self, name: str, directory: Path) -> "Laboratory":
        """The same, with one more project whose server can be started."""
        return replace(self, services={**self.services, name: directory})

    @contextmanager
    def running(self, server: Server, **environment: str) -> Generator[Running]:
        """A server on what is there, and on what these variables say instead."""
        log = self.directory / f"{server.name}.log"
        variables = {**self.environment, **environment}
        with servers.running(server, self.services[server.service], variables, log) as started:
            yield started


@contextmanager
def laboratory(directory: Path, revision: str | None) -> Generator[Laboratory]:
    """Render, start and seed; end everything after the block. Takes about 40 seconds."""
    with ExitStack() as stack:
        services = rendered.render_all(directory, revision)
        url = stack.enter_context(
            backends.postgresql(services["redis"], directory / "postgresql.log", max_connections=_MAX_CONNECTIONS)
        )
        environment = {
            "ENVIRONMENT": "production",
            "SECRET_KEY": _SECRET,
            "DATABASE_URL": url,
            "REDIS_URL": stack.enter_context(backends.valkey(services["redis"])),
            "RECORDED": str(directory / "recorded.json"),
        }
        backends.seed(services["memory"], environment)
        token = _token(services["memory"], environment)
        built = Laboratory(directory=directory, services=services, environment=environment, token=token)
        with built.running(SERVICE) as server:
            _record(server.port, token, Path(environment["RECORDED"]))
        yield built


def _record(port: int, token: str, target: Path) -> None:
    etag = answer_of(port, POPULAR.path, {}).header("etag")
    own = {"Authorization": f"Bearer {token}"}
    answer_of(port, DASHBOARD_PATH, own)
    # Each for the second time, so that it is a hit.
    recorded = {
        POPULAR.path: answer_of(port, POPULAR.path, {}),
        NOT_MODIFIED_PATH: answer_of(port, POPULAR.path, {"If-None-Match": etag}),
        DASHBOARD_PATH: answer_of(port, DASHBOARD_PATH, own),
    }
    target.write_text(json.dumps({path: asdict(answer) for path, answer in recorded.items()}))


def _token(service: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "app.security", USER],
        cwd=service,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
