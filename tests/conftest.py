"""The rows of the matrix, rendered once for a run."""

from pathlib import Path

import pytest
from filelock import FileLock

from matrix import Row, name_of, rows
from rendered import copy_template, render

ROWS = rows()


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory that all processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def services(run_directory: Path) -> Path:
    """A directory with a service for each row of the matrix, under the row's name."""
    directory = run_directory / "services"
    with FileLock(run_directory / "services.lock"):
        if not directory.exists():
            template = copy_template(run_directory / "template")
            staging = run_directory / "rendering"
            for row in ROWS:
                render(template, staging / name_of(row), dict(row))
            staging.rename(directory)
    return directory


@pytest.fixture(scope="session", params=ROWS, ids=name_of)
def row(request: pytest.FixtureRequest) -> Row:
    """The answers of one row."""
    return request.param


@pytest.fixture(scope="session")
def service(row: Row, services: Path) -> Path:
    """The rendered service of the row."""
    return services / name_of(row)
