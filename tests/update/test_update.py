"""``paceline update`` of one service: what it makes, and that plain copier makes the same."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from paceline import hand_edits
from rendered import program
from update.observations import Command, files, state, tree
from update.services import address, commit, make_service
from update.small_template import add_version, git, main_module

BRANCH = "paceline/update-v1.1.0"


def edit(service: Path) -> None:
    """What a team does: its own lines, files and a deletion."""
    (service / "README.md").write_text((service / "README.md").read_text().replace("Nobody yet.", "Ada."))
    pyproject = service / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("dependencies:\n", 'dependencies:\n  "httpx>=1",\n'))
    (service / "app" / "own.py").write_text("OWN = True\n")
    (service / "app" / "legacy.py").write_text('"""Old ways, still ours."""\n')
    commit(service)


def renovate(service: Path, directory: Path, *more: str) -> str:
    """What plain copier makes of a clone with the arguments of Renovate, as a commit of that clone."""
    git(service.parent, "clone", "--quiet", service, directory)
    settings = ["--skip-answered", "--defaults", "--answers-file", ".copier-answers.yml"]
    done = subprocess.run(
        [program("copier"), "update", *settings, *more], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    commit(directory)
    return tree(directory, "HEAD")


def test_it_makes_a_branch_with_one_commit_and_leaves_all_else(paceline: Command, service: Path) -> None:
    edit(service)
    (service / "stashed").write_text("later\n")
    git(service, "stash", "--include-untracked")
    before = state(service)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"
    assert git(service, "rev-parse", f"{BRANCH}^") == git(service, "rev-parse", "HEAD")
    assert git(service, "log", "-1", "--format=%an: %s", BRANCH) == "Ada: Update My Service to v1.1.0 of its template"
    assert f"To take it: git merge {BRANCH}" in result.stdout
    git(service, "branch", "-D", BRANCH)
    assert state(service) == before


def test_edits_of_a_team_are_in_it_beside_the_templates_changes(paceline: Command, service: Path) -> None:
    edit(service)
    paceline("update", service, "--ref", "v1.1.0")
    git(service, "merge", "--quiet", BRANCH)
    readme, pyproject = (service / "README.md").read_text(), (service / "pyproject.toml").read_text()
    assert "Two ways." in readme
    assert "Ada." in readme
    assert '"fastapi>=0.165,<0.166"' in pyproject
    assert '"httpx>=1"' in pyproject
    assert (service / "app" / "own.py").is_file()
    assert (service / "app" / "health.py").is_file()


def test_plain_copier_makes_the_same_files(paceline: Command, service: Path, tmp_path: Path) -> None:
    edit(service)
    paceline("update", service, "--ref", "v1.1.0")
    assert renovate(service, tmp_path / "plain", "--vcs-ref", "v1.1.0") == tree(service, BRANCH)


def test_plain_copier_makes_the_same_files_of_a_changed_answer(
    paceline: Command, service: Path, tmp_path: Path
) -> None:
    edit(service)
    result = paceline("update", service, "--set", "cpu_cores=8")
    assert result.exit_code == 0, result.output
    plain = renovate(service, tmp_path / "plain", "--vcs-ref", "v1.0.0", "--data", "cpu_cores=8")
    assert plain == tree(service, "paceline/set-cpu_cores-8")
    assert "sqlite on 8 cores" in git(service, "show", "paceline/set-cpu_cores-8:README.md")


def test_a_version_and_an_answer_make_one_commit(paceline: Command, service: Path, tmp_path: Path) -> None:
    result = paceline("update", service, "--ref", "v1.1.0", "--set", "cpu_cores=8")
    assert result.exit_code == 0, result.output
    plain = renovate(service, tmp_path / "plain", "--vcs-ref", "v1.1.0", "--data", "cpu_cores=8")
    branch = "paceline/update-v1.1.0-cpu_cores-8"
    assert tree(service, branch) == plain
    assert "With cpu_cores to 8." in git(service, "log", "-1", "--format=%b", branch)


def write_cores(service: Path, number: int) -> None:
    """Write an answer by hand, and commit it."""
    answers = service / ".copier-answers.yml"
    answers.write_text(re.sub(r"cpu_cores: \d+", f"cpu_cores: {number}", answers.read_text()))
    commit(service)


@pytest.mark.parametrize("asked", [("--ref", "v1.1.0"), ("--set", "cpu_cores=8"), ("--set", "cpu_cores=9")])
def test_answers_that_were_edited_by_hand_are_refused_until_they_are_put_back(
    paceline: Command, service: Path, asked: tuple[str, str]
) -> None:
    write_cores(service, 8)
    before = state(service)
    result = paceline("update", service, *asked)
    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    assert ".copier-answers.yml says cpu_cores: 8, but the files were made with 2. An update starts from" in said
    assert "put those back into the answers file and commit that" in said
    assert state(service) == before
    write_cores(service, 2)
    result = paceline("update", service, "--set", "cpu_cores=8", "--json")
    assert result.exit_code == 0, result.output
    assert "sqlite on 8 cores" in git(service, "show", f"{json.loads(result.stdout)['branch']}:README.md")


def test_answers_that_an_update_has_changed_are_none_of_these(paceline: Command, service: Path) -> None:
    paceline("update", service, "--set", "cpu_cores=8")
    git(service, "merge", "--quiet", "paceline/set-cpu_cores-8")
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output


def test_nothing_is_rendered_to_look_for_edits_where_only_updates_have_changed_the_answers(
    paceline: Command, service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_edits, "find_hand_edits", None)
    paceline("update", service, "--ref", "v1.1.0", "--set", "cpu_cores=8")
    git(service, "merge", "--quiet", "paceline/update-v1.1.0-cpu_cores-8")
    for asked in (("--ref", "v1.2.0"), ("--set", "cpu_cores=8")):
        result = paceline("update", service, *asked)
        assert result.exit_code == 0, result.output


def test_one_that_is_at_the_version_stays_as_it_is(paceline: Command, service: Path) -> None:
    before = state(service)
    result = paceline("update", service, "--ref", "v1.0.0")
    assert (result.exit_code, result.stdout) == (0, "My Service  v1.0.0\n\nMy Service is up to date.\n")
    assert paceline("update", service, "--set", "cpu_cores=2").exit_code == 0
    assert state(service) == before


def test_one_that_has_the_branch_is_not_updated_twice(paceline: Command, service: Path) -> None:
    paceline("update", service, "--ref", "v1.1.0")
    before = state(service)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 0
    assert f"The branch {BRANCH} has this already" in result.stdout
    assert state(service) == before


def test_a_service_in_a_subdirectory_is_updated_whatever_lies_beside_it(
    paceline: Command, pristine_template: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "services" / "mono"
    service = make_in(repository, pristine_template)
    (repository / "dirt").write_text("not committed\n")
    (repository / "other.py").write_text("changed = True\n")
    before = state(repository)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    branch = "paceline/apps/demo/update-v1.1.0"
    changed = git(repository, "diff", "--name-only", "HEAD", branch).splitlines()
    assert "apps/demo/app/health.py" in changed
    assert all(name.startswith("apps/demo/") for name in changed)
    git(repository, "branch", "-D", branch)
    assert state(repository) == before


@pytest.mark.parametrize("name", ["two words", "bücher", ".hidden", "demo.lock", "v1..v2"])
def test_a_subdirectory_may_have_a_name_that_no_branch_can_have(
    paceline: Command, pristine_template: Path, tmp_path: Path, name: str
) -> None:
    repository = tmp_path / "services" / "mono"
    service = make_in(repository, pristine_template).rename(repository / "apps" / name)
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(repository)
    assert paceline("update", service, "--ref", "v1.1.0").exit_code == 3
    [worktree] = (path for path in repository.parent.iterdir() if path.name.startswith("mono."))
    (worktree / "apps" / name / "app" / "main.py").write_text(main_module("both"))
    result = paceline("update", "--continue", service)
    assert result.exit_code == 0, result.output
    [branch] = git(repository, "for-each-ref", "--format=%(refname)", "refs/heads/paceline/").splitlines()
    assert git(repository, "rev-list", "--count", f"HEAD..{branch}") == "1"


def make_in(repository: Path, template: Path) -> Path:
    """A service in a subdirectory of a repository."""
    (repository / "apps").mkdir(parents=True)
    git(repository, "init", "--quiet")
    (repository / "other.py").write_text("changed = False\n")
    commit(repository)
    service = make_service(template, tmp := repository.parent / "made", "v1.0.0")
    subprocess.run(["rm", "-rf", tmp / ".git"], check=True)
    service.rename(repository / "apps" / "demo")
    commit(repository)
    return repository / "apps" / "demo"


def test_the_report_says_what_to_know_before_merging(paceline: Command, service: Path) -> None:
    edit(service)
    result = paceline("update", service, "--ref", "v1.2.0", "--set", "database=postgresql", "--set", "replicas=3")
    assert result.exit_code == 0, result.output
    said = result.stdout
    assert "My Service  v1.0.0 → v1.2.0" in said
    for line in (
        "added       app/health.py",
        "changed     app/main.py",
        "deleted     app/legacy.py",
        "database: sqlite → postgresql",
        "replicas: no answer → 3",
        "retention: 30 → no answer",
        "keep_days: no answer → 30",
        "new      API_KEY (must be set before deploying): Known to callers.",
        "new      TIMEOUT (default 2.5)",
        "removed  LEGACY_MODE: no longer read",
        "app/legacy.py (`git log -p -- app/legacy.py` has them)",
        "Set `API_KEY` before you deploy.",
        "`retention` is now `keep_days`.",
    ):
        assert line in said
    assert "Run more replicas" not in said
    assert "The first version." not in said
    assert "app/own.py" not in said


def test_edits_of_a_deleted_file_are_reported_only_where_there_were_some(paceline: Command, service: Path) -> None:
    said = paceline("update", service, "--ref", "v1.1.0").stdout
    assert "deleted     app/legacy.py" in said
    assert "Deleted, though they were edited here" not in said


def test_with_json_the_report_is_all_there_is(paceline: Command, service: Path) -> None:
    edit(service)
    result = paceline("update", service, "--ref", "v1.1.0", "--json")
    report = json.loads(result.stdout)
    assert report["result"] == "updated"
    assert report["branch"] == BRANCH
    assert report["changed_files"]["app/health.py"] == "A"
    assert report["lost_edits"] == ["app/legacy.py"]
    assert [setting["variable"] for setting in report["added_settings"]] == ["API_KEY", "TIMEOUT"]
    assert report["directory"] == str(service)
    assert result.stderr == ""


def test_a_rehearsal_shows_the_diff_and_keeps_nothing(paceline: Command, service: Path) -> None:
    edit(service)
    before = state(service)
    result = paceline("update", service, "--ref", "v1.1.0", "--dry-run")
    assert result.exit_code == 0, result.output
    assert '+GREETING = "second"' in result.stdout
    assert "Nothing was changed." in result.stdout
    assert state(service) == before


def test_a_rehearsal_finds_conflicts(paceline: Command, service: Path) -> None:
    disagree(service)
    before = state(service)
    result = paceline("update", service, "--ref", "v1.1.0", "--dry-run")
    assert result.exit_code == 3
    assert "It would leave conflicts in app/main.py. Nothing was changed." in result.stdout
    assert state(service) == before


def test_checks_that_pass_let_it_be_kept(paceline: Command, service: Path, uv: Path) -> None:
    result = paceline("update", service, "--ref", "v1.1.0", "--verify")
    assert result.exit_code == 0, result.output
    assert uv.read_text().splitlines()[-1] == "run pytest"
    assert git(service, "rev-parse", "--verify", BRANCH)


def test_checks_that_fail_leave_nothing(paceline: Command, service: Path, uv: Path) -> None:
    (service / "fails-ty").write_text("7")
    commit(service)
    before = state(service)
    result = paceline("update", service, "--ref", "v1.1.0", "--verify")
    assert result.exit_code == 1
    assert "The service's checks fail with this update, and nothing was changed." in result.stdout
    assert "run pytest" in uv.read_text()
    assert state(service) == before


def test_the_lock_is_renewed_with_the_dependencies(paceline: Command, service: Path, uv: Path) -> None:
    (service / "uv.lock").write_text("old\n")
    commit(service)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    assert uv.read_text() == "lock --quiet\n"
    assert git(service, "show", f"{BRANCH}:uv.lock") != "old"
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"
    assert json.loads(paceline("update", service, "--set", "cpu_cores=4", "--json").stdout)["notes"] == []
    assert uv.read_text() == "lock --quiet\n"


def test_a_lock_that_cannot_be_renewed_is_named(paceline: Command, service: Path, uv: Path) -> None:
    (service / "uv.lock").write_text("old\n")
    (service / "fails-lock").write_text("1")
    commit(service)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert uv.is_file()
    assert result.exit_code == 0
    assert "uv.lock could not be renewed (no lock today); run `uv lock` and commit it." in result.stdout


def test_a_renamed_question_keeps_its_answer(paceline: Command, pristine_template: Path, tmp_path: Path) -> None:
    service = make_service(pristine_template, tmp_path / "demo", "v1.0.0", {"retention": 90})
    paceline("update", service, "--ref", "v1.2.0")
    answers = git(service, "show", "paceline/update-v1.2.0:.copier-answers.yml")
    assert "keep_days: 90" in answers
    assert "retention" not in answers


def test_a_file_of_answers_is_for_new_questions_alone(paceline: Command, service: Path, tmp_path: Path) -> None:
    (tmp_path / "organisation.yml").write_text("region: us\ncpu_cores: 64\n")
    result = paceline("update", service, "--ref", "v1.2.0", "--answers", tmp_path / "organisation.yml")
    assert result.exit_code == 0, result.output
    answers = git(service, "show", "paceline/update-v1.2.0:.copier-answers.yml")
    assert "region: us" in answers
    assert "cpu_cores: 2" in answers


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--set", "cpu_cores=0"], 2, "Error: cpu_cores must be between 1 and 256, not 0."),
        (["--set", "database=oracle"], 2, "Error: database must be one of sqlite, postgresql, not 'oracle'."),
        (["--set", "cores=4"], 2, "Error: There is no question 'cores' (given with --set); did you mean 'cpu_cores'?"),
        (["--set", "project_slug=x"], 2, "Error: project_slug is computed from other answers; it cannot be set."),
        (["--ref", "v2.0.0", "--set", "cpu_cores=5"], 2, "Error: cpu_cores must be between 1 and 4, not 5."),
    ],
)
def test_an_answer_that_is_refused_changes_nothing(
    paceline: Command, service: Path, arguments: list[str], status: int, sentence: str
) -> None:
    before = state(service)
    result = paceline("update", service, *arguments)
    assert (result.exit_code, result.stderr) == (status, f"{sentence}\n")
    assert state(service) == before


def test_a_stored_answer_that_a_new_rule_refuses_is_named_with_the_reason(
    paceline: Command, pristine_template: Path, tmp_path: Path
) -> None:
    service = make_service(pristine_template, tmp_path / "demo", "v1.0.0", {"cpu_cores": 8})
    before = state(service)
    result = paceline("update", service, "--ref", "v2.0.0")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: v2.0.0 of the template refuses the stored answer cpu_cores: 8 (cpu_cores must be between 1 and 4, not"
        " 8); give another with --set NAME=VALUE.\n"
    )
    assert state(service) == before
    assert paceline("update", service, "--ref", "v2.0.0", "--set", "cpu_cores=4").exit_code == 0


def disagree(service: Path) -> None:
    """Change a line that v1.1.0 changes too."""
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)


@pytest.fixture
def waiting(paceline: Command, service: Path) -> Path:
    """The service's directory in the worktree of an update with a conflict."""
    disagree(service)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 3
    return service.parent / "demo.update-v1.1.0"


def test_conflicts_are_left_in_a_worktree_beside_the_service(paceline: Command, service: Path) -> None:
    disagree(service)
    before = state(service)
    result = paceline("update", service, "--ref", "v1.1.0")
    worktree = service.parent / "demo.update-v1.1.0"
    assert result.exit_code == 3
    assert f"1 in conflict: app/main.py. Both sides are in the files in {worktree}:" in result.stdout
    assert f"`paceline update --continue {worktree}`" in result.stdout
    text = (worktree / "app" / "main.py").read_text()
    assert '"ours"' in text
    assert '"second"' in text
    assert files(service) == before["files"]
    assert git(service, "branch", "--list", "paceline/*") == ""
    assert paceline("update", service, "--abort").exit_code == 0
    assert state(service) == before


def test_it_is_not_finished_before_the_conflicts_are_resolved(paceline: Command, service: Path, waiting: Path) -> None:
    before = state(service), files(waiting)
    result = paceline("update", "--continue", service)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: app/main.py in {waiting} still has conflict markers (<<<<<<<, >>>>>>>); choose what holds, remove the"
        f" markers, and run `paceline update --continue {waiting}` again.\n"
    )
    assert (state(service), files(waiting)) == before


@pytest.mark.parametrize("from_the_worktree", [False, True])
def test_it_is_finished_once_they_are_resolved(
    paceline: Command, service: Path, waiting: Path, from_the_worktree: bool
) -> None:
    (waiting / "app" / "main.py").write_text(main_module("both"))
    before = files(service)
    result = paceline("update", "--continue", waiting if from_the_worktree else service)
    assert result.exit_code == 0, result.output
    assert '"both"' in git(service, "show", f"{BRANCH}:app/main.py")
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"
    assert not waiting.exists()
    assert files(service) == before


def test_what_was_committed_while_resolving_is_in_the_one_commit(
    paceline: Command, service: Path, waiting: Path
) -> None:
    (waiting / "app" / "main.py").write_text(main_module("both"))
    commit(waiting)
    assert paceline("update", "--continue", service).exit_code == 0
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"


def test_it_waits_on_when_its_checks_fail(paceline: Command, service: Path, waiting: Path, uv: Path) -> None:
    (waiting / "app" / "main.py").write_text(main_module("both"))
    (waiting / "fails-pytest").write_text("1")
    result = paceline("update", "--continue", service, "--verify")
    assert uv.is_file()
    assert result.exit_code == 1
    assert f"its work is still in {waiting}." in result.stdout
    assert git(service, "branch", "--list", "paceline/*") == ""
    (waiting / "fails-pytest").unlink()
    assert paceline("update", "--continue", service, "--verify").exit_code == 0
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"
    assert "fails-pytest" not in git(service, "ls-tree", "--name-only", BRANCH)


def test_a_second_update_says_that_one_waits(paceline: Command, service: Path, waiting: Path) -> None:
    before = state(service), files(waiting)
    result = paceline("update", service, "--ref", "v1.1.0")
    assert result.exit_code == 3
    assert f"run `paceline update --continue {waiting}`" in result.stdout
    assert (state(service), files(waiting)) == before


@pytest.mark.parametrize("option", ["--continue", "--abort"])
def test_where_none_waits_there_is_nothing_to_finish(paceline: Command, service: Path, option: str) -> None:
    before = state(service)
    result = paceline("update", option, service)
    assert (result.exit_code, result.stderr) == (1, "Error: No update of My Service is waiting to be finished.\n")
    assert state(service) == before


def test_a_template_that_has_moved_is_read_and_stored_at_its_new_address(
    paceline: Command, template: Path, service: Path, tmp_path: Path
) -> None:
    moved = template.rename(tmp_path / "moved.git")
    result = paceline("update", service, "--ref", "v1.1.0", "--template", address(moved))
    assert result.exit_code == 0, result.output
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"
    assert f"_src_path: {address(moved)}" in git(service, "show", f"{BRANCH}:.copier-answers.yml")
    assert "app/health.py" in git(service, "ls-tree", "-r", "--name-only", BRANCH)


def test_a_changed_file_that_is_ignored_by_the_service_reaches_it(
    paceline: Command, template: Path, service: Path
) -> None:
    (service / ".gitignore").write_text(".env\nhealth.py\n")
    commit(service)
    add_version(template, "v1.1.1", {"template/app/health.py": '"""Newer."""\n'})
    result = paceline("update", service, "--ref", "v1.1.1")
    assert result.exit_code == 0, result.output
    assert "health.py" not in git(service, "status", "--porcelain")
