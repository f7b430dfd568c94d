"""A template with the real questions and few files, in four versions, and services made from it.

v1.1.0 changes ``app/main.py``. v1.2.0 knows that the database plan ``aiven-postgresql-free`` accepts fewer connections.
After it comes a commit without a tag.
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cli.conftest import ANSWERS_TEMPLATE, REPOSITORY, copy_checkout
from cli.observations import git
from update.services import commit

PLAN = "aiven-postgresql-free"
FILES = {
    "README.md.jinja": "# {{ project_name }}\n\n{{ database }} for {{ workers }} workers\n",
    "machine.yaml.jinja": "cores: {{ cpu_cores }}\n",
    "compose.yaml.jinja": "replicas: {{ replicas }}\n",
    # The template has these for some answers only.
    "app/postgresql.py": '"""PostgreSQL."""\n',
    "app/sqlite.py": '"""SQLite."""\n',
    "app/main.py": '"""The first service."""\n',
    "start.sh": "#!/bin/sh\n",
}


def make_template(directory: Path) -> Path:
    """The bare repository with the versions."""
    source = copy_checkout(directory / "source", with_template=False)
    template = source / "template"
    shutil.copy(REPOSITORY / "template" / ANSWERS_TEMPLATE, template)
    for name, text in FILES.items():
        (template / name).parent.mkdir(exist_ok=True)
        (template / name).write_text(text)
    (template / "start.sh").chmod(0o755)
    git(source, "init", "--quiet")
    _release(source, "v1.0.0")
    (template / "app" / "main.py").write_text('"""The second service."""\n')
    _release(source, "v1.1.0")
    plans = source / "generator" / "paceline" / "database_plans.yml"
    text = plans.read_text()
    plans.write_text(re.sub(rf"({PLAN}: \{{connections: )\d+", r"\g<1>6", text))
    assert plans.read_text() != text
    _release(source, "v1.2.0")
    commit(source)
    git(directory, "clone", "--quiet", "--bare", source, "template.git")
    return directory / "template.git"


def write_answers(service: Path, answers: Mapping[str, Any]) -> None:
    """Write answers by hand; None removes one."""
    file = service / ".copier-answers.yml"
    content = yaml.safe_load(file.read_text()) | answers
    file.write_text(yaml.safe_dump({name: answer for name, answer in content.items() if answer is not None}))


def everything_in(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Each file below a directory, git's own included, with its mode, the time of its last change and its bytes."""
    found = {}
    for parent, _, names in os.walk(directory):
        for path in (Path(parent) / name for name in names):
            facts = path.lstat()
            found[str(path)] = (facts.st_mode, facts.st_mtime_ns, b"" if path.is_symlink() else path.read_bytes())
    return found


def _release(source: Path, version: str) -> None:
    commit(source)
    git(source, "tag", version)
