"""Run in a service's directory: plants one mistake after the other in its files, and tells which tests see it.

Reads a list of ``[file, right, wrong]`` as JSON, the middle one as a regular expression, and writes a list of the
tests that failed for each. The libraries are imported once: each run of the tests is a fork.
"""

import json
import os
import re
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile

import pytest

OPTIONS = [
    "-q",
    "-p",
    "pytest_asyncio.plugin",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "-p",
    "no:cacheprovider",
    # Whose servers the contract does without.
    "--noconftest",
    "--tb=no",
    "-rfE",
    "tests/test_deployment.py",
    # What only this place has.
    *(f"tests/{reader.name.replace('deployment', 'test')}" for reader in Path("tests").glob("deployment_*.py")),
]


def plant(file: Path, right: str, wrong: str) -> list[str]:
    """The tests that fail with the mistake in the file. Raises ``ValueError`` where it cannot be made."""
    text = file.read_text()
    changed = re.sub(right, wrong, text, flags=re.MULTILINE)
    if changed == text:
        raise ValueError(f"{right} is not in {file}")
    file.write_text(changed)
    try:
        return failures()
    finally:
        file.write_text(text)


def failures() -> list[str]:
    """The tests that fail, in a process of their own."""
    with TemporaryFile("w+") as output:
        process = os.fork()
        if process == 0:
            with redirect_stdout(output):
                pytest.main(OPTIONS)
            output.flush()
            os._exit(0)
        os.waitpid(process, 0)
        output.seek(0)
        lines = output.read().splitlines()
    assert any(" passed" in line or " failed" in line or " error" in line for line in lines), lines
    return [line for line in lines if line.startswith(("FAILED", "ERROR"))]


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    # Only the plugin that the services have; the others would be imported by each run.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # Room for what an assertion says.
    os.environ["COLUMNS"] = "500"
    import_module("pytest_asyncio.plugin")
    import_module("app.main")
    import_module("sqlalchemy.ext.asyncio")
    seen = [failures(), *(plant(Path(file), right, wrong) for file, right, wrong in json.load(sys.stdin))]
    json.dump(seen, sys.stdout)
