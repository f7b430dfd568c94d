"""Updates that meet what earlier ones have left, and requests that are nearly the same."""

import shutil
from pathlib import Path

import pytest

from update.observations import Command, files, state
from update.services import commit
from update.small_template import git, main_module

BRANCH = "paceline/update-v1.1.0"


@pytest.fixture
def waiting(paceline: Command, service: Path) -> Path:
    """The service's directory in the worktree of an update with a conflict."""
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)
    assert paceline("update", service, "--ref", "v1.1.0").exit_code == 3
    return service.parent / "demo.update-v1.1.0"


def _resolve(waiting: Path) -> None:
    (waiting / "app" / "main.py").write_text(main_module("both"))


def test_a_branch_that_was_merged_is_made_anew_when_the_answer_has_changed_back(
    paceline: Command, service: Path
) -> None:
    for cores in (3, 1, 3):
        result = paceline("update", service, "--set", f"cpu_cores={cores}")
        assert result.exit_code == 0, result.output
        git(service, "merge", "--quiet", f"paceline/set-cpu_cores-{cores}")
        assert f"cpu_cores: {cores}\n" in (service / ".copier-answers.yml").read_text()


def test_answers_that_a_branch_would_spell_alike_get_branches_of_their_own(paceline: Command, service: Path) -> None:
    for name in ("A B", "A-B"):
        result = paceline("update", service, "--set", f"project_name={name}")
        assert result.exit_code == 0, result.output
        assert "has it in one commit" in result.stdout
    assert len(git(service, "branch", "--list", "paceline/set-project_name-A-B*").split()) == 2


def test_answers_that_are_stored_already_need_nothing_and_the_version_is_told(paceline: Command, service: Path) -> None:
    result = paceline("update", service, "--set", "cpu_cores=2")
    assert result.exit_code == 0, result.output
    assert "These answers are stored already; My Service stays at v1.0.0." in result.stdout
    assert "up to date" not in result.stdout


def test_checks_that_were_asked_for_before_a_conflict_run_after_it(paceline: Command, service: Path, uv: Path) -> None:
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)
    assert paceline("update", service, "--ref", "v1.1.0", "--verify").exit_code == 3
    worktree = service.parent / "demo.update-v1.1.0"
    _resolve(worktree)
    (worktree / "fails-pytest").write_text("5")
    assert paceline("update", "--continue", service).exit_code == 1
    assert "run pytest" in uv.read_text()
    (worktree / "fails-pytest").unlink()
    assert paceline("update", "--continue", service).exit_code == 0


@pytest.mark.parametrize("place", ["demo", "demo.update-v1.1.0"])
def test_a_push_that_was_asked_for_before_a_conflict_is_done_after_it(
    paceline: Command, service: Path, place: str
) -> None:
    remote = service.parent / "remote.git"
    git(service.parent, "clone", "--quiet", "--bare", service, remote)
    git(service, "remote", "add", "origin", remote)
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)
    assert paceline("update", service, "--ref", "v1.1.0", "--push").exit_code == 3
    _resolve(service.parent / "demo.update-v1.1.0")
    assert paceline("update", "--continue", service.parent / place).exit_code == 0
    assert git(remote, "rev-parse", BRANCH) == git(service, "rev-parse", BRANCH)


def test_what_editors_leave_beside_resolved_conflicts_is_not_committed(
    paceline: Command, service: Path, waiting: Path, git_settings: Path
) -> None:
    ignored = git_settings.parent / "ignored"
    ignored.write_text("*.orig\n.idea/\nhealth.py\n")
    with git_settings.open("a") as settings:
        settings.write(f"[core]\n\texcludesFile = {ignored}\n")
    _resolve(waiting)
    (waiting / "app" / "main.py.orig").write_text("kept by a tool\n")
    (waiting / ".idea").mkdir()
    (waiting / ".idea" / "workspace.xml").write_text("<open/>\n")
    assert paceline("update", "--continue", service).exit_code == 0
    changed = git(service, "diff", "--name-only", f"{BRANCH}~1", BRANCH).splitlines()
    assert "app/health.py" in changed
    assert not [name for name in changed if name.endswith((".orig", ".xml"))]


def test_a_waiting_update_is_told_again_and_keeps_what_was_resolved(
    paceline: Command, service: Path, waiting: Path
) -> None:
    _resolve(waiting)
    before = state(service), files(waiting)
    result = paceline("update", service, "--ref", "v1.1.0", "--json")
    assert result.exit_code == 3
    assert '"result": "conflicts"' in result.stdout
    assert (state(service), files(waiting)) == before


def test_the_commit_says_what_to_know_before_merging(paceline: Command, service: Path) -> None:
    (service / "app" / "legacy.py").write_text('"""Old ways, still ours."""\n')
    commit(service)
    assert paceline("update", service, "--ref", "v1.1.0").exit_code == 0
    message = git(service, "log", "-1", "--format=%b", BRANCH)
    assert "Set API_KEY before deploying." in message
    assert "TIMEOUT" not in message
    assert "app/legacy.py is deleted, though it was edited here." in message


def test_a_file_that_is_deleted_with_bytes_of_its_own_is_an_edit_that_is_lost(paceline: Command, service: Path) -> None:
    (service / "app" / "legacy.py").write_bytes(b'"""Old ways.\xff"""\n')
    commit(service)
    assert "Deleted, though they were edited here" in paceline("update", service, "--ref", "v1.1.0").stdout


def test_a_lock_without_a_project_is_left_alone(paceline: Command, service: Path, uv: Path) -> None:
    (service / "pyproject.toml").unlink()
    (service / "uv.lock").write_text("of another kind\n")
    commit(service)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    assert not uv.exists()


def test_a_password_of_the_templates_address_is_neither_stored_nor_shown(
    paceline: Command, service: Path, template: Path, git_settings: Path
) -> None:
    url = "https://ada:secret@git.example.invalid/acme/template.git"
    with git_settings.open("a") as settings:
        settings.write(f'[url "{template}"]\n\tinsteadOf = {url}\n')
    result = paceline("update", service, "--ref", "v1.1.0", "--template", url)
    assert result.exit_code == 0, result.output
    assert "secret" not in result.output
    answers = git(service, "show", f"{BRANCH}:.copier-answers.yml")
    assert "_src_path: https://git.example.invalid/acme/template.git" in answers
    assert "secret" not in paceline("update", service, "--template", "https://ada:secret@127.0.0.1:9/x.git").output


def test_a_template_may_be_named_by_a_path_from_where_one_is_and_is_said_to_be_here_only(
    paceline: Command, service: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = shutil.copytree(template, service.parent / "elsewhere.git")
    monkeypatch.chdir(service.parent)
    result = paceline("update", service, "--ref", "v1.1.0", "--template", "elsewhere.git")
    assert result.exit_code == 0, result.output
    assert f"_src_path: {elsewhere}" in git(service, "show", f"{BRANCH}:.copier-answers.yml")
    assert "which only this machine has" in " ".join(result.stdout.split())


def test_an_option_of_a_removal_that_it_cannot_heed_is_refused(paceline: Command, service: Path, waiting: Path) -> None:
    assert paceline("update", "--abort", "--verify", service).exit_code == 2
    result = paceline("update", "--abort", "--json", service)
    assert result.exit_code == 0
    assert f'"removed": "{waiting}"' in result.stdout
