"""fastapi-spawn, with PostgreSQL: it renders no list, so its health check is compared with the service's."""

from pathlib import Path

from sqlalchemy import make_url

from benchmarks.cases import SERVICE, Case
from benchmarks.claims import Claim
from benchmarks.figures import CPU, RATE
from benchmarks.laboratory import Laboratory
from benchmarks.peers.environment import dependencies_of, environment_with, run
from benchmarks.peers.peer import Peer
from benchmarks.servers import Server
from benchmarks.wrk import Request

NAME = "fastapi-spawn"
_PACKAGE = "fastapi-spawn==0.5.4"
_NONE = (
    *("auth", "broker", "cache", "storage", "ai", "api-extra", "monitoring", "log-dest", "email", "notify"),
    *("vector-db", "ci"),
)


def prepare(laboratory: Laboratory, directory: Path) -> Peer:
    """Render it, and install what it asks for."""
    programs = environment_with(directory / "generator", [_PACKAGE])
    run(
        [
            *(str(programs / "fastapi-spawn"), "new", "peer", "--output", str(directory), "--no-docker", "--no-tests"),
            *("--db", "postgresql", "--orm", "sqlalchemy", "--migration", "alembic", "--stack", "minimal"),
            *("--log-lib", "standard", *(part for option in _NONE for part in (f"--{option}", "none"))),
        ]
    )
    project = directory / "peer"
    programs = environment_with(directory / "environment", dependencies_of(project))
    server = Server(
        name=NAME,
        application="app.main:app",
        service=NAME,
        python=str(programs / "python"),
        environment=_variables(laboratory),
    )
    theirs = Case(name=f"{NAME}: health", server=server, request=Request(path="/api/v1/health"))
    ours = Case(name="health", server=SERVICE, request=Request(path="/health/live"))
    what = f"health ÷ {NAME}'s, which has neither metrics nor log lines"
    return Peer(
        name=NAME,
        project=project,
        cases=[theirs, ours],
        claims=[
            Claim(row="peers", what=what, case=ours.name, over=theirs.name, quantity=quantity)
            for quantity in (RATE, CPU)
        ],
    )


def _variables(laboratory: Laboratory) -> dict[str, str]:
    url = make_url(laboratory.environment["DATABASE_URL"])
    return {
        "POSTGRES_HOST": str(url.host),
        "POSTGRES_PORT": str(url.port),
        "POSTGRES_USER": str(url.username),
        "POSTGRES_DB": str(url.database),
        "ENVIRONMENT": "production",
    }
