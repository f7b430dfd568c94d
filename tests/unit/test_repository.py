"""The repository itself: clean, and true to what its README says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from matrix import ROOT
from rendered import program


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_there_is_no_lint_and_no_format_to_mend() -> None:
    for command in (["check"], ["format", "--check"]):
        done = _run(sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", ".")
        assert done.returncode == 0, done.stdout + done.stderr


def test_types_hold() -> None:
    done = _run(program("ty"), "check", "--quiet", "--output-format", "concise", "--python", sys.prefix)
    assert done.returncode == 0, done.stdout


def test_what_runs_on_every_change_is_the_test_command_of_the_readme() -> None:
    command = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert command.endswith("pytest -n 3")
    assert f"```sh\n{command}\n```" in (ROOT / "README.md").read_text()


def test_every_page_that_the_readme_names_is_there() -> None:
    for page in ("CONTRIBUTING.md", "CHANGELOG.md", "docs/decisions"):
        assert f"({page})" in (ROOT / "README.md").read_text()
        assert Path(ROOT / page).exists()


def test_what_services_ask_for_is_what_their_suites_run_with() -> None:
    template = (ROOT / "template" / "pyproject.toml.jinja").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tested = {*project["project"]["dependencies"], *project["dependency-groups"]["dev"]}
    asked = re.findall(r'^  "([a-z0-9\[\]-]+[>=][^;"]+)', template, re.MULTILINE)
    assert len(asked) > 20
    assert set(asked) - {requirement.partition(";")[0] for requirement in tested} == set()


def test_no_tracked_file_names_a_lock_or_leaves_a_conflict() -> None:
    tracked = _run("git", "ls-files").stdout.split()
    assert not [name for name in tracked if name.endswith(("uv.lock", "package-lock.json"))]
    assert _run("git", "grep", "-nE", "^(<<<<<<<|>>>>>>>) ", "--", ".").stdout == ""
