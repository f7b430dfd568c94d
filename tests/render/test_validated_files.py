"""What validators say of the files that many places share: the image, Compose, workflows, and YAML as such.

Each validator sees the files of all rows at once, and a broken file, so that its silence means something.
"""

import json
import subprocess
from pathlib import Path

import pytest

from matrix import ROOT
from rendered import program

YAML_STYLE = """
extends: default
rules:
  braces: {max-spaces-inside: 0}
  comments: {min-spaces-from-content: 1}
  document-start: disable
  indentation: {indent-sequences: whatever}
  line-length: disable
  # GitHub's own key `on` is one.
  truthy: {check-keys: false}
"""

# An image of the service itself is built on the host; digests of the others change with each of their patches.
ACCEPTED_BY_COMPOSE_LINT = {"CL-0004", "CL-0019"}


def test_each_dockerfile_passes_hadolint(services: Path) -> None:
    assert _run("hadolint", *_files(services, "Dockerfile")) == ""


def test_hadolint_sees_a_broken_dockerfile(tmp_path: Path) -> None:
    assert "DL3020" in _run(
        "hadolint", _broken(tmp_path / "Dockerfile", "FROM python:3.13\nADD app /app\n"), fails=True
    )


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("compose-spec", "compose.yaml"),
        ("github-workflows", ".github/workflows/*.yml"),
        ("dependabot", ".github/dependabot.yml"),
    ],
)
def test_each_file_has_the_shape_of_its_schema(services: Path, schema: str, pattern: str, tmp_path: Path) -> None:
    command = ["check-jsonschema", "--builtin-schema", f"vendor.{schema}"]
    _run(*command, *_files(services, pattern))
    _run(*command, _broken(tmp_path / "file.yml", "services: {api: {imagee: x}}\njobs: {}\nversion: x\n"), fails=True)


def test_each_compose_file_passes_compose_lint(services: Path, tmp_path: Path) -> None:
    command = ["compose-lint", "check", "--format", "json", "--fail-on", "low", "--no-env"]
    files = _files(services, "compose.yaml")
    findings = json.loads(_run(*command, *files, fails=True))["findings"]
    assert [one for one in findings if one["rule_id"] not in ACCEPTED_BY_COMPOSE_LINT] == []
    unsafe = Path(files[0]).read_text().replace("  cap_drop: [ALL]\n", "  privileged: true\n")
    findings = json.loads(_run(*command, _broken(tmp_path / "compose.yaml", unsafe), fails=True))["findings"]
    assert {one["rule_id"] for one in findings} > ACCEPTED_BY_COMPOSE_LINT


def test_each_workflow_passes_actionlint(services: Path) -> None:
    assert _run("actionlint", *_files(services, ".github/workflows/*.yml"), *_our_workflows()) == ""


def test_actionlint_sees_a_misspelt_expression(services: Path, tmp_path: Path) -> None:
    workflow = Path(_files(services, ".github/workflows/*.yml")[0]).read_text()
    broken = _broken(tmp_path / "ci.yml", workflow.replace("github.workflow", "github.workfow"))
    assert "workfow" in _run("actionlint", broken, fails=True)


def test_each_workflow_passes_zizmor(services: Path, tmp_path: Path) -> None:
    command = ["zizmor", "--offline", "--no-progress", "--quiet"]
    _run(*command, *_files(services, ".github/workflows/*.yml"), *_our_workflows())
    injected = (
        Path(_files(services, ".github/workflows/*.yml")[0]).read_text() + "      - run: echo ${{ github.head_ref }}\n"
    )
    assert "template-injection" in _run(*command, _broken(tmp_path / "ci.yml", injected), fails=True)


def test_each_yaml_file_passes_yamllint(services: Path, tmp_path: Path) -> None:
    command = ["yamllint", "--strict", "--config-data", YAML_STYLE]
    assert _run(*command, *_files(services, "*.y*ml"), *_our_workflows()) == ""
    assert "duplication" in _run(*command, _broken(tmp_path / "file.yml", "a: 1\na: 2\n"), fails=True)


def _files(services: Path, pattern: str) -> list[str]:
    found = sorted(str(file) for service in services.iterdir() for file in service.rglob(pattern) if file.is_file())
    assert found, pattern
    return found


def _our_workflows() -> list[str]:
    return sorted(str(file) for file in (ROOT / ".github" / "workflows").iterdir())


def _broken(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


def _run(name: str, *arguments: str, fails: bool = False) -> str:
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout
