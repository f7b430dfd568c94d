"""fastapi-template, with PostgreSQL and SQLAlchemy: its list of dummies, two columns of one table."""

from pathlib import Path

from sqlalchemy import make_url

from benchmarks import backends
from benchmarks.cases import Case
from benchmarks.claims import Claim
from benchmarks.figures import CPU, RATE
from benchmarks.laboratory import Laboratory
from benchmarks.peers.environment import dependencies_of, environment_with, run
from benchmarks.peers.peer import Peer
from benchmarks.servers import Server
from benchmarks.wrk import Request

NAME = "fastapi-template"
_PACKAGE = "fastapi_template==6.1.2"
_DATABASE = "peer"


def prepare(laboratory: Laboratory, directory: Path) -> Peer:
    """Render it, install what it asks for, and give it a database with as many rows as the service has."""
    programs = environment_with(directory / "generator", [_PACKAGE])
    run(
        [
            *(str(programs / "fastapi_template"), "--quiet", "--name", "peer", "--api-type", "rest"),
            *("--db", "postgresql", "--orm", "sqlalchemy", "--ci", "none", "--dummy", "--routers", "--migrations"),
        ],
        cwd=directory,
    )
    project = directory / "peer"
    programs = environment_with(directory / "environment", dependencies_of(project))
    server = Server(
        name=NAME,
        application="peer.web.application:get_app",
        service=NAME,
        python=str(programs / "python"),
        flags=("--factory",),
        environment=_variables(laboratory),
    )
    _fill(laboratory, project, programs, server)
    listed = Case(name=f"{NAME}: list", server=server, request=Request(path="/api/dummy/?limit=20"))
    what = f"list ÷ {NAME}'s, which has two columns and no join"
    return Peer(
        name=NAME,
        project=project,
        cases=[listed],
        claims=[
            Claim(row="peers", what=what, case="list", over=listed.name, quantity=quantity) for quantity in (RATE, CPU)
        ],
    )


def _variables(laboratory: Laboratory) -> dict[str, str]:
    url = make_url(laboratory.environment["DATABASE_URL"])
    return {
        "PEER_DB_HOST": str(url.host),
        "PEER_DB_PORT": str(url.port),
        "PEER_DB_USER": str(url.username),
        "PEER_DB_BASE": _DATABASE,
        "PEER_ENVIRONMENT": "production",
    }


def _fill(laboratory: Laboratory, project: Path, programs: Path, server: Server) -> None:
    url = laboratory.environment["DATABASE_URL"]
    backends.query(url, f"CREATE DATABASE {_DATABASE}")
    run([str(programs / "python"), "-m", "alembic", "upgrade", "head"], cwd=project, **server.environment)
    own = make_url(url).set(database=_DATABASE).render_as_string(hide_password=False)
    backends.query(
        own,
        "INSERT INTO dummy_model (name) "  # noqa: S608
        f"SELECT 'Item ' || number FROM generate_series(1, {backends.ITEMS}) AS number",
    )
    backends.query(own, "VACUUM ANALYZE")
