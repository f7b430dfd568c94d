"""A template of two versions, services of the first, and bare repositories of services, as a server has them.

v1.1.0 changes the first line of the README, and asks for a ``region``.
"""

import shutil
from pathlib import Path

from cli.observations import git
from update.services import commit

REPOSITORY = Path(__file__).resolve().parents[2]
ANSWERS_TEMPLATE = "{{ _copier_conf.answers_file }}.jinja"
BRANCH = "paceline/update-v1.1.0"

QUESTIONS = """\
_min_copier_version: "9.15.0"
_subdirectory: template

project_name:
  type: str
  default: My Service

database:
  type: str
  default: sqlite
  choices: [sqlite, postgresql]
"""
REGION = """
region:
  type: str
  default: nowhere
"""


def make_template(directory: Path) -> Path:
    """The bare repository of the template."""
    source = directory / "source"
    files = source / "template"
    files.mkdir(parents=True)
    shutil.copy(REPOSITORY / "template" / ANSWERS_TEMPLATE, files)
    (source / "copier.yml").write_text(QUESTIONS)
    (files / "README.md.jinja").write_text("# {{ project_name }}, first\n\nOn {{ database }}.\n\nBy its team.\n")
    git(source, "init", "--quiet")
    commit(source, "v1.0.0")
    git(source, "tag", "v1.0.0")
    (source / "copier.yml").write_text(QUESTIONS + REGION)
    (files / "README.md.jinja").write_text("# {{ project_name }}, second\n\nOn {{ database }}.\n\nBy its team.\n")
    commit(source, "v1.1.0")
    git(source, "tag", "v1.1.0")
    git(directory, "clone", "--quiet", "--bare", source, "template.git")
    return directory / "template.git"


def publish(repository: Path, bare: Path) -> Path:
    """A bare repository with what a repository has."""
    git(bare.parent, "clone", "--quiet", "--bare", repository, bare)
    return bare


def write_fleet(directory: Path, *services: dict[str, str], **more: str) -> Path:
    """A fleet's file."""
    lines = [f'{key} = "{value}"' for key, value in more.items()]
    for service in services:
        lines += ["[[service]]", *(f'{key} = "{value}"' for key, value in service.items())]
    file = directory / "fleet.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def url_of(bare: Path) -> str:
    """The URL of a repository on this machine."""
    return f"file://{bare}"


def branches(repository: Path) -> list[str]:
    """The branches that updates have made in it."""
    return git(repository, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/paceline").split()
