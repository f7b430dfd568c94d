"""Everything that the measurements stand on: rendered services, seeded PostgreSQL, Valkey, recorded answers."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import backends, rendered, servers
from benchmarks.cases import POPULAR, SERVICE, USER
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

    @contextmanager
    def running(self, server: Server) -> Generator[Running]:
        """A server of the cast, started and ended."""
        log = self.directory / f"{server.name}.log"
        with servers.running(server, self.services[server.service], self.environment, log) as started:
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


def answer_of(port: int, path: str, headers: dict[str, str], method: str = "GET", body: str | None = None) -> dict:
    """What a server answers once: its status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers={"Accept-Encoding": "identity", **headers})
        response = connection.getresponse()
        content = response.read().decode("latin-1")
        kept = [
            [name.lower(), value] for name, value in response.getheaders() if name.lower() not in ("date", "server")
        ]
        return {"status": response.status, "headers": kept, "body": content}
    finally:
        connection.close()


def _record(port: int, token: str, target: Path) -> None:
    popular = answer_of(port, POPULAR.path, {})
    etag = dict(popular["headers"])["etag"]
    recorded = {
        POPULAR.path: popular,
        "/not-modified": answer_of(port, POPULAR.path, {"If-None-Match": etag}),
        "/me/dashboard": answer_of(port, "/me/dashboard", {"Authorization": f"Bearer {token}"}),
    }
    target.write_text(json.dumps(recorded))


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
