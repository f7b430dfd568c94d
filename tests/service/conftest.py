"""The servers that the services' suites start."""

from pathlib import Path

import pytest
from filelock import FileLock

from debian import install_servers


@pytest.fixture(scope="session", autouse=True)
def _servers(run_directory: Path) -> None:
    with FileLock(run_directory / "servers.lock"):
        install_servers()
