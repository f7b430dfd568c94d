"""The rows of the matrix, rendered once for a run."""

from pathlib import Path

import pytest
from filelock import FileLock

from matrix import Row, name_of, rows, suite_rows
from rendered import copy_template, render


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run cover more than pairs."""
    parser.addoption(
        "--strength", type=int, default=2, help="test rows with every combination of so many choices (2: every pair)"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for a row, or for its service, in every row; a suite in the rows that its code can tell apart."""
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "row" in metafunc.fixturenames and "row" not in chosen:
        made = _rows_of(metafunc.definition, metafunc.config.getoption("strength"))
        metafunc.parametrize("row", made, ids=name_of, indirect=True, scope="session")


def _rows_of(test: pytest.Item, strength: int) -> list[Row]:
    if test.get_closest_marker("suite"):
        return suite_rows(strength)
    if test.get_closest_marker("beside_suites"):
        return [row for row in rows(strength) if row not in suite_rows(strength)]
    return rows(strength)


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory that all processes of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def services(run_directory: Path, strength: int) -> Path:
    """A directory with a service for each row of the matrix, under the row's name."""
    directory = run_directory / "services"
    with FileLock(run_directory / "services.lock"):
        if not directory.exists():
            template = copy_template(run_directory / "template")
            staging = run_directory / "rendering"
            for row in rows(strength):
                render(template, staging / name_of(row), row)
            staging.rename(directory)
    return directory


@pytest.fixture(scope="session")
def strength(request: pytest.FixtureRequest) -> int:
    """How many choices the rows combine in every way."""
    return request.config.getoption("strength")


@pytest.fixture(scope="session")
def row(request: pytest.FixtureRequest) -> Row:
    """The answers of one row."""
    return request.param


@pytest.fixture(scope="session")
def service(row: Row, services: Path) -> Path:
    """The rendered service of the row."""
    return services / name_of(row)
