"""Services rendered for the run: the template of the work tree or of a commit, with copier as anyone runs it."""

import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PARTS = ("copier.yml", "template", "generator")

_ANSWERS = {
    "memory": {"cache_backend": "memory"},
    "redis": {"cache_backend": "redis"},
    "none": {"cache_backend": "none"},
}
NAMES = tuple(_ANSWERS)


def render_all(directory: Path, revision: str | None) -> dict[str, Path]:
    """One service for each cache backend, on PostgreSQL. Raises ``RuntimeError`` when one cannot be rendered."""
    template = directory / "template"
    if revision is None:
        copy_work_tree(template)
    else:
        _export(revision, template)
    services = {}
    for name, answers in _ANSWERS.items():
        services[name] = directory / "services" / name
        _render(template, services[name], {"project_name": "Shop", "database": "postgresql", **answers})
    return services


def copy_work_tree(target: Path) -> None:
    """All that renders, as it is in the work tree."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", *_PARTS).decode().splitlines()
    for name in listed:
        if not (ROOT / name).exists():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def _export(revision: str, target: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(_git("archive", revision, *_PARTS))) as archive:
        archive.extractall(target, filter="data")


def _render(template: Path, target: Path, answers: dict[str, str]) -> None:
    data = [part for name, answer in answers.items() for part in ("-d", f"{name}={answer}")]
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", *data, str(template), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise RuntimeError(f"the service could not be rendered: {done.stderr.strip()}")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603, S607
