"""The first commit: by whom, where, and independent of what the user has set up for other repositories."""

import os
import shutil
from pathlib import Path

import pytest

from cli.observations import Command, Process, git, names_in


def test_without_an_identity_the_commit_is_by_paceline_and_the_user_is_told(
    paceline_command: Command, work: Path, git_settings: Path
) -> None:
    # Else git makes up an address from the machine's name, on machines that have a full one.
    git_settings.write_text("[user]\n\tuseConfigOnly = true\n")
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert "git does not know who you are" in result.stderr
    assert git(work / "demo", "log", "-1", "--format=%an %cn") == "Paceline Paceline"
    assert "[user]" not in (work / "demo" / ".git" / "config").read_text()


def test_the_users_hooks_templates_ignores_and_signatures_are_left_out(
    paceline_command: Command, work: Path, git_settings: Path, tmp_path: Path
) -> None:
    hooks = tmp_path / "git-template" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    (tmp_path / "ignored").write_text("README.md\n")
    with git_settings.open("a") as settings:
        settings.write(f"[init]\n\ttemplateDir = {hooks.parent}\n\tdefaultBranch = trunk\n")
        settings.write(f"[core]\n\thooksPath = {hooks}\n\texcludesFile = {tmp_path / 'ignored'}\n")
        settings.write("[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n")
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert git(work / "demo", "symbolic-ref", "--short", "HEAD") == "main"
    assert "README.md" in git(work / "demo", "ls-files")
    assert not (work / "demo" / ".git" / "hooks").exists()


def test_what_the_service_ignores_is_not_committed(paceline_command: Command, checkout: Path, work: Path) -> None:
    (checkout / "template" / ".gitignore").write_text(".env\n")
    (checkout / "template" / ".env").write_text("SECRET=1\n")
    git(checkout, "add", "--all", "--force")
    git(checkout, "commit", "--quiet", "--message", "Ignore")
    paceline_command("new", "demo", "--defaults")
    assert (work / "demo" / ".env").is_file()
    assert ".env" not in git(work / "demo", "ls-files").splitlines()


def test_inside_a_repository_no_other_is_made_and_the_user_is_told(paceline_command: Command, work: Path) -> None:
    git(work, "init", "--quiet")
    result = paceline_command("new", "services/demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert not (work / "services" / "demo" / ".git").exists()
    assert f"lies in the git repository {work}" in result.stderr


def test_the_hook_of_another_repository_can_run_it(paceline_process: Process, work: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    result = paceline_process(
        "new",
        "demo",
        "--defaults",
        GIT_DIR=str(outer / ".git"),
        GIT_INDEX_FILE=str(outer / ".git" / "index"),
        GIT_WORK_TREE=str(outer),
        GIT_PREFIX="",
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert git(work / "demo", "rev-list", "--count", "HEAD") == "1"
    assert git(outer, "status", "--porcelain") == ""


def test_without_git_a_service_without_history_can_be_made(
    paceline_process: Process, work: Path, tmp_path: Path
) -> None:
    (tmp_path / "nothing").mkdir()
    result = paceline_process("new", "demo", "--defaults", "--no-git", PATH=str(tmp_path / "nothing"))
    assert result.returncode == 0, result.stderr
    assert (work / "demo" / ".copier-answers.yml").is_file()
    assert "`copier update` will not work" in result.stderr


def test_a_git_that_refuses_leaves_nothing(
    paceline_command: Command, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = tmp_path / "refusing"
    binaries.mkdir()
    real_git = shutil.which("git")
    script = f'#!/bin/sh\ncase "$*" in *commit*) echo "disk quota exceeded" >&2; exit 1;; esac\nexec {real_git} "$@"\n'
    (binaries / "git").write_text(script)
    (binaries / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(binaries), prepend=os.pathsep)
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 1
    assert "disk quota exceeded" in result.stderr
    assert "--no-git" in result.stderr
    assert names_in(work) == []


@pytest.fixture
def new_repository(work: Path) -> Path:
    """A repository as after ``git init``, with settings of its own."""
    repository = work / "demo"
    repository.mkdir()
    git(repository, "init", "--quiet", "--initial-branch=trunk")
    git(repository, "config", "user.name", "Grace")
    git(repository, "remote", "add", "origin", "https://git.example/demo")
    return repository


def test_a_repository_without_commits_gets_its_first_one(paceline_command: Command, new_repository: Path) -> None:
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert names_in(new_repository) == [".copier-answers.yml", ".git", "README.md", "app"]
    assert git(new_repository, "log", "--format=%an") == "Grace"
    assert git(new_repository, "symbolic-ref", "--short", "HEAD") == "trunk"
    assert git(new_repository, "remote", "get-url", "origin") == "https://git.example/demo"
    assert git(new_repository, "status", "--porcelain") == ""


def test_an_empty_clone_gets_its_first_commit_and_can_be_pushed(
    paceline_command: Command, work: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(work, "clone", "--quiet", str(tmp_path / "origin.git"), "demo")
    assert paceline_command("new", "demo", "--defaults").exit_code == 0
    git(work / "demo", "push", "--quiet", "origin", "main")
    assert git(tmp_path / "origin.git", "rev-list", "--count", "main") == "1"


def test_a_repository_without_commits_is_left_as_it_was_without_history(
    paceline_command: Command, new_repository: Path
) -> None:
    before = tree(new_repository / ".git")
    assert paceline_command("new", "demo", "--defaults", "--no-git").exit_code == 0
    assert "README.md" in names_in(new_repository)
    assert tree(new_repository / ".git") == before


@pytest.mark.parametrize("fails", ["commit", "move"])
def test_a_failure_in_a_repository_without_commits_loses_nothing(
    paceline_command: Command, new_repository: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    if fails == "commit":
        git(new_repository, "config", "core.hooksPath", ".git/refusing")
        hook = new_repository / ".git" / "refusing" / "pre-commit"
        hook.parent.mkdir()
        hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
        hook.chmod(0o755)
    else:
        rename = Path.rename

        def refuse(path: Path, target: Path) -> Path:
            if path.name == "README.md":
                raise OSError(28, "No space left on device")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", refuse)
    before = tree(new_repository)
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 1
    assert {"commit": "not today", "move": "No space left"}[fails] in result.stderr
    assert tree(new_repository) == before


@pytest.mark.parametrize("state", ["staged", "committed", "without an index"])
def test_a_repository_that_holds_something_is_refused(
    paceline_command: Command, new_repository: Path, state: str
) -> None:
    (new_repository / "precious.txt").write_text("precious")
    git(new_repository, "add", "--all")
    if state != "staged":
        git(new_repository, "-c", "user.email=grace@example.com", "commit", "--quiet", "--message", "Begin")
    if state == "without an index":
        (new_repository / ".git" / "index").unlink()
    (new_repository / "precious.txt").unlink()
    before = tree(new_repository)
    result = paceline_command("new", "demo", "--defaults")
    assert result.exit_code == 1
    assert "is not empty (1 entry, .git for example)" in result.stderr
    assert tree(new_repository) == before


def tree(directory: Path) -> dict[str, bytes]:
    """Every file with its content."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}
