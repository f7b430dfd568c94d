"""fastapi-cache2: the usual ``@cache`` of a route, in the same Valkey as the service's cache."""

from pathlib import Path

from benchmarks.cases import POPULAR, Case
from benchmarks.claims import Claim
from benchmarks.figures import CPU, RATE
from benchmarks.laboratory import Laboratory
from benchmarks.peers.environment import dependencies_of, environment_with
from benchmarks.peers.peer import Peer
from benchmarks.servers import Server

NAME = "fastapi-cache2"
# It imports Starlette's templates, which need Jinja.
_PACKAGES = ["fastapi-cache2==0.2.2", "jinja2>=3.1"]


def prepare(laboratory: Laboratory, directory: Path) -> Peer:
    """Install it beside what a rendered service asks for, whose models and settings it uses."""
    project = laboratory.services["redis"]
    programs = environment_with(directory / "environment", [*dependencies_of(project), *_PACKAGES])
    server = Server(
        name=NAME, application="benchmarks.opponents.usual_cache:app", service=NAME, python=str(programs / "python")
    )
    theirs = Case(name=f"{NAME}: hit", server=server, request=POPULAR)
    return Peer(
        name=NAME,
        project=project,
        cases=[theirs],
        claims=[
            Claim(
                row="peers",
                what=f"hit in Valkey ÷ that of {NAME}",
                case="Valkey hit",
                over=theirs.name,
                quantity=quantity,
            )
            for quantity in (RATE, CPU)
        ],
    )
