"""A template with a few questions and a few files, in versions that change what updates must cope with.

v1.1.0 changes, adds and deletes files and settings. v1.2.0 asks for ``keep_days`` in place of ``retention``, and for a
``region``. v2.0.0 refuses more than four cores.
"""

import shutil
from pathlib import Path

from cli.observations import git

REPOSITORY = Path(__file__).resolve().parents[2]
ANSWERS_TEMPLATE = "{{ _copier_conf.answers_file }}.jinja"

QUESTIONS = """\
_min_copier_version: "9.15.0"
_subdirectory: template
_envops:
  trim_blocks: true
  lstrip_blocks: true

project_name:
  type: str
  default: My Service

project_slug:
  type: str
  when: false
  default: "{{ project_name | lower | replace(' ', '-') }}"
  validator: computed from project_name; it cannot be set

database:
  type: str
  default: sqlite
  choices: [sqlite, postgresql]

cpu_cores:
  type: int
  default: 2
  validator: "{% if not 1 <= cpu_cores <= 256 %}cpu_cores must be between 1 and 256{% endif %}"

replicas:
  type: int
  default: 1
  when: "{{ database != 'sqlite' }}"
"""
README = """\
# {{ project_name }}

{{ database }} on {{ cpu_cores }} cores

## Running

One way.

## Team

Nobody yet.
"""
CONFIG = '''\
"""Settings."""

from pydantic import Field
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Environment variables."""

    page_size: int = 50
    """Items on a page."""
    legacy_mode: bool = False
'''
PYPROJECT = """\
[project]
name = "{{ project_slug }}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = [
  "fastapi>=0.164,<0.165",
  # Your own dependencies:
]
"""
RETENTION = """
retention:
  type: int
  help: Days for which reports are kept
  default: 30
"""
KEEP_DAYS = """
keep_days:
  type: int
  help: Days for which reports are kept
  default: "{{ retention | default(30) }}"

region:
  type: str
  help: Where the service runs
  default: eu
"""
UPGRADING = """\
# Upgrading

## v2.0.0

Run more replicas in place of more than four cores.

## v1.2.0

`retention` is now `keep_days`.

## v1.1.0

Set `API_KEY` before you deploy.

## v1.0.0

The first version.
"""


def make_template(directory: Path) -> Path:
    """The bare repository with the versions."""
    source = directory / "source"
    _write_first(source)
    release(source, "v1.0.0")
    _write_second(source)
    release(source, "v1.1.0")
    questions = source / "copier.yml"
    questions.write_text(questions.read_text().replace(RETENTION, KEEP_DAYS))
    (source / "template" / "app" / "main.py").write_text(main_module("third"))
    release(source, "v1.2.0")
    questions.write_text(questions.read_text().replace("256", "4"))
    release(source, "v2.0.0")
    git(directory, "clone", "--quiet", "--bare", source, "template.git")
    return directory / "template.git"


def main_module(greeting: str) -> str:
    """A module with lines between which a team's own can stand."""
    return f'"""The service."""\n\nGREETING = "{greeting}"\n\n\ndef greet() -> str:\n    return GREETING\n'


def release(source: Path, version: str) -> None:
    """Commit all, and tag it."""
    if not (source / ".git").exists():
        git(source, "init", "--quiet")
    git(source, "add", "--all", "--force")
    git(source, "commit", "--quiet", "--allow-empty", "--message", version)
    git(source, "tag", version)


def add_version(template: Path, version: str, files: dict[str, str | None]) -> None:
    """Add a version to a bare repository in which some of the template's files differ, or are deleted."""
    source = template.parent / f"source-{version}"
    git(template.parent, "clone", "--quiet", template, source)
    for name, text in files.items():
        file = source / name
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    release(source, version)
    git(source, "push", "--quiet", "origin", "HEAD", version)


def _write_first(source: Path) -> None:
    template = source / "template"
    (template / "app").mkdir(parents=True)
    (source / "copier.yml").write_text(QUESTIONS + RETENTION)
    shutil.copy(REPOSITORY / "template" / ANSWERS_TEMPLATE, template)
    (template / "README.md.jinja").write_text(README)
    (template / "pyproject.toml.jinja").write_text(PYPROJECT)
    (template / ".gitignore").write_text(".env\n__pycache__\n")
    (template / "app" / "main.py").write_text(main_module("first"))
    (template / "app" / "config.py").write_text(CONFIG)
    (template / "app" / "legacy.py").write_text('"""Old ways."""\n')
    (source / "UPGRADING.md").write_text(UPGRADING)


def _write_second(source: Path) -> None:
    template = source / "template"
    (template / "app" / "main.py").write_text(main_module("second"))
    (template / "app" / "legacy.py").unlink()
    (template / "app" / "health.py").write_text('"""Health."""\n')
    (template / "README.md.jinja").write_text(README.replace("One way.", "Two ways."))
    (template / "pyproject.toml.jinja").write_text(PYPROJECT.replace("0.164,<0.165", "0.165,<0.166"))
    settings = '    api_key: str\n    """Known to callers."""\n    timeout: float = Field(default=2.5)\n'
    (template / "app" / "config.py").write_text(CONFIG.replace("    legacy_mode: bool = False\n", settings))
