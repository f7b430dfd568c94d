"""An installed package: it carries the template, and its services know where to be updated from."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import copier
import pytest
import yaml

from cli.observations import git
from matrix import ROOT
from rendered import copy_template, files_of, newest_release, program, render

PACKAGE = ("pyproject.toml", "README.md", "LICENSE", ".gitignore")
VERSION = "v7.8.9"


def _build(project: Path, directory: Path) -> Path:
    build = [program("uv"), "build", "--wheel", "--quiet", "--exclude-newer", newest_release()]
    done = subprocess.run(
        [*build, "--out-dir", str(directory), str(project)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [wheel] = directory.glob("*.whl")
    return wheel


def _new(installed: Path, destination: Path) -> str:
    """Make a service with an installed package, and return what the command said beside the plan."""
    script = "from paceline.cli import main; main()"
    command = [sys.executable, "-c", script, "new", str(destination), "--defaults"]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, env=environment, cwd=destination.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def _address(service: Path) -> dict[str, str]:
    answers = yaml.safe_load((service / ".copier-answers.yml").read_text())
    return {name: answers.get(name) for name in ("_src_path", "_commit")}


@pytest.fixture
def published(tmp_path: Path, git_settings: Path) -> Path:
    """A repository with a released version, which a server offers as the returned bare one."""
    assert git_settings.is_file()
    project = copy_template(tmp_path / "project")
    for name in PACKAGE:
        shutil.copy(ROOT / name, project)
    bare = tmp_path / "paceline.git"
    with (project / "pyproject.toml").open("a") as file:
        file.write(f'\n[project.urls]\nRepository = "{bare.as_uri()}"\n')
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Release")
    git(project, "tag", VERSION)
    git(tmp_path, "clone", "--quiet", "--bare", str(project), str(bare))
    git(project, "remote", "add", "origin", bare.as_uri())
    return bare


@pytest.fixture
def installed(published: Path, tmp_path: Path) -> Path:
    """The released version as an index would deliver it."""
    wheel = _build(published.parent / "project", tmp_path / "dist")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    return tmp_path / "installed"


def test_an_installed_wheel_renders_the_same_service(installed: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    assert _new(installed, made) == ""
    shutil.rmtree(made / ".git")
    expected = render(copy_template(tmp_path / "template"), tmp_path / "expected", {})
    assert files_of(made) == files_of(expected)
    for file in files_of(made):
        if file.name != ".copier-answers.yml":
            assert (made / file).read_bytes() == (expected / file).read_bytes()


def test_the_bundle_of_a_release_is_the_tag(installed: Path, published: Path, tmp_path: Path) -> None:
    tagged = tmp_path / "tagged"
    tagged.mkdir()
    archive = tmp_path / "tag.tar"
    git(published, "archive", "--output", str(archive), VERSION, "copier.yml", "template", "generator")
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", tagged], check=True)
    bundle = installed / "paceline" / "_bundle"
    assert files_of(bundle) == files_of(tagged)
    assert all((bundle / file).read_bytes() == (tagged / file).read_bytes() for file in files_of(tagged))


def test_a_service_of_a_release_is_updated_from_the_declared_repository(
    installed: Path, published: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    _new(installed, made)
    assert _address(made) == {"_src_path": published.as_uri(), "_commit": VERSION}

    project = published.parent / "project"
    with (project / "template" / "README.md.jinja").open("a") as readme:
        readme.write("\nThe next version.\n")
    git(project, "commit", "--quiet", "--all", "--message", "Change")
    git(project, "tag", "v7.9.0")
    git(project, "push", "--quiet", "--tags", "origin")
    copier.run_update(made, defaults=True, overwrite=True, quiet=True, settings=copier.Settings())
    assert "The next version." in (made / "README.md").read_text()
    assert _address(made)["_commit"] == "v7.9.0"


def test_a_service_of_a_package_from_a_repository_is_updated_from_there(published: Path, tmp_path: Path) -> None:
    # As pip and uv record it (PEP 610); the declared repository is another.
    elsewhere = shutil.copytree(published, tmp_path / "fork.git")
    install = [program("uv"), "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "installed")]
    origin = f"paceline @ git+{elsewhere.as_uri()}@{VERSION}"
    done = subprocess.run(
        [*install, "--exclude-newer", newest_release(), origin], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = tmp_path / "made"
    assert _new(tmp_path / "installed", made) == ""
    assert _address(made) == {"_src_path": elsewhere.as_uri(), "_commit": VERSION}


def _commit_more(project: Path) -> None:
    (project / "README.md").write_text("# Later\n")
    git(project, "commit", "--quiet", "--all", "--message", "Go on")


def _leave_uncommitted(project: Path) -> None:
    (project / "README.md").write_text("# Later\n")


def test_a_package_built_between_releases_knows_its_commit(published: Path, tmp_path: Path) -> None:
    project = published.parent / "project"
    _commit_more(project)
    git(project, "push", "--quiet", "origin", "main")
    zipfile.ZipFile(_build(project, tmp_path / "dist")).extractall(tmp_path / "installed")
    assert _new(tmp_path / "installed", tmp_path / "made") == ""
    assert git(project, "rev-parse", _address(tmp_path / "made")["_commit"]) == git(project, "rev-parse", "HEAD")


def _forget_history(project: Path) -> None:
    shutil.rmtree(project / ".git")


@pytest.mark.parametrize("spoil", [_leave_uncommitted, _forget_history])
def test_a_package_of_files_that_are_in_no_version_says_that_its_services_cannot_be_updated(
    spoil: Callable[[Path], None], published: Path, tmp_path: Path
) -> None:
    project = published.parent / "project"
    spoil(project)
    zipfile.ZipFile(_build(project, tmp_path / "dist")).extractall(tmp_path / "installed")
    said = _new(tmp_path / "installed", tmp_path / "made")
    assert "names no repository and no released version" in said
    assert "will not work in this service" in said
    assert _address(tmp_path / "made")["_commit"] is None
