"""``paceline status``: what it finds of services, and that it leaves them as they are."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import paceline.template
from isolation import isolated
from paceline.cli import app
from update.services import commit, make_service
from update.status_services import PLAN, everything_in, git, make_template, write_answers

Examine = Callable[..., dict[str, Any]]

POSTGRESQL = {"project_name": "Shop", "database": "postgresql", "replicas": 2}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bare repository of the template."""
    with isolated(tmp_path_factory.mktemp("home")):
        return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def pristine(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service at v1.1.0, from which each test copies its own."""
    with isolated(tmp_path_factory.mktemp("home")):
        return make_service(template, tmp_path_factory.mktemp("pristine") / "shop", "v1.1.0", POSTGRESQL)


@pytest.fixture
def service(pristine: Path, tmp_path: Path) -> Path:
    """A service at v1.1.0, made for PostgreSQL and two replicas."""
    directory = tmp_path / "services" / "shop"
    directory.parent.mkdir()
    # Keeps the times of files, so that the index knows them.
    subprocess.run(["cp", "-a", pristine, directory], check=True)
    return directory


@pytest.fixture
def run() -> Callable[..., Result]:
    """Runs the command in this process."""
    return lambda *arguments: CliRunner().invoke(app, ["status", *map(str, arguments)])


@pytest.fixture
def examine(run: Callable[..., Result]) -> Examine:
    """What the command finds of one service, beside v1.1.0, with its ``exit`` status."""

    def examine_one(service: Path, *arguments: str) -> dict[str, Any]:
        result = run(service, "--json", *(arguments or ("--ref", "v1.1.0")))
        (found,) = json.loads(result.stdout)
        return found | {"exit": result.exit_code}

    return examine_one


def test_one_that_is_current_and_as_it_was_made_is_fine(examine: Examine, service: Path) -> None:
    assert examine(service) == {
        "name": "Shop",
        "directory": str(service),
        "version": "v1.1.0",
        "target": "v1.1.0",
        "versions_behind": 0,
        "commits_behind": 0,
        "is_newer": False,
        "changed_files": [],
        "deleted_files": [],
        "hand_edited_answers": [],
        "answers_problem": None,
        "plan_fits": True,
        "plan_problem": None,
        "problem": None,
        "exit": 0,
    }


def test_it_writes_nothing_into_the_service_or_its_repository(
    run: Callable[..., Result], service: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_answers(service, {"replicas": 3})
    # The index no longer knows the file, and git would like to renew it.
    os.utime(service / "README.md", (1, 1))
    before = everything_in(service.parent) | everything_in(template)
    monkeypatch.chdir(service)
    assert run().exit_code == 3
    assert everything_in(service.parent) | everything_in(template) == before


# VERSIONS ---------------------------------------------------------------------------------------


def test_released_versions_are_counted_up_to_the_newest_where_the_template_lacks_this_commands(
    examine: Examine, service: Path
) -> None:
    found = examine(service, "--json")
    assert (found["target"], found["versions_behind"], found["exit"]) == ("v1.2.0", 1, 3)


def test_it_is_compared_with_this_commands_own_version_where_the_template_has_it(
    examine: Examine, service: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "--quiet", "--branch", "v1.0.0", "-c", "advice.detachedHead=false", template, "checkout")
    monkeypatch.setattr(paceline.template, "locate", lambda: tmp_path / "checkout")
    found = examine(service, "--json")
    assert (found["target"], found["is_newer"], found["commits_behind"], found["exit"]) == ("v1.0.0", True, 0, 0)


def test_commits_are_counted_where_no_version_was_released(
    template: Path, tmp_path: Path, examine: Examine, run: Callable[..., Result]
) -> None:
    newest = make_service(template, tmp_path / "newest", "v1.2.0", {})
    found = examine(newest, "--ref", "HEAD")
    assert (found["versions_behind"], found["commits_behind"], found["exit"]) == (0, 1, 3)
    assert "1 commit (v1.2.0-1-g" in run(newest, "--ref", "HEAD").stdout


# DRIFT ------------------------------------------------------------------------------------------


def test_what_a_team_changed_and_deleted_is_drift_and_no_fault(
    examine: Examine, run: Callable[..., Result], service: Path
) -> None:
    (service / "README.md").write_text("# Ours\n")
    (service / "start.sh").chmod(0o644)
    (service / "compose.yaml").unlink()
    (service / "app" / "ours.py").write_text("")
    main = service / "app" / "main.py"
    main.rename(service / "elsewhere.py")
    main.symlink_to("../elsewhere.py")
    commit(service)
    found = examine(service)
    assert found["changed_files"] == ["README.md", "app/main.py", "start.sh"]
    assert found["deleted_files"] == ["compose.yaml"]
    assert found["exit"] == 0
    lines = run(service, "--ref", "v1.1.0").stdout.splitlines()
    assert "3 changed, 1 deleted" in lines[1]
    assert lines[3:] == [
        "Files that the template made otherwise",
        "  changed   README.md",
        "  changed   app/main.py",
        "  changed   start.sh",
        "  deleted   compose.yaml",
    ]


def test_files_behind_a_link_are_changed_whatever_is_there(examine: Examine, service: Path) -> None:
    (service / "app").rename(service.parent / "app")
    (service / "app").symlink_to(service.parent / "app")
    assert examine(service)["changed_files"] == ["app/main.py", "app/postgresql.py"]


# ANSWERS ----------------------------------------------------------------------------------------


def _edited(found: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(edit["name"], edit["written"], edit["rendered"]) for edit in found["hand_edited_answers"]]


# The files depend on the first; on the second none does.
@pytest.mark.parametrize(("name", "written", "made_with"), [("replicas", 3, 2), ("cache_backend", "redis", "memory")])
def test_an_answer_that_is_not_committed_was_edited_by_hand(
    examine: Examine, service: Path, name: str, written: object, made_with: object
) -> None:
    write_answers(service, {name: written})
    found = examine(service)
    assert _edited(found) == [(name, written, made_with)]
    # The files are as they were made, with the answers of then.
    assert found["changed_files"] == found["deleted_files"] == []
    assert found["exit"] == 3


def test_an_answer_that_was_committed_without_its_files_was_edited_by_hand(
    examine: Examine, run: Callable[..., Result], service: Path
) -> None:
    write_answers(service, {"replicas": 3})
    commit(service)
    (service / "README.md").write_text("# Ours\n")
    commit(service)
    found = examine(service)
    assert _edited(found) == [("replicas", 3, 2)]
    assert (found["changed_files"], found["exit"]) == (["README.md"], 3)
    shown = run(service).stdout
    assert ".copier-answers.yml says replicas: 3, but the files were made with 2." in shown
    assert "change them with `paceline update --set NAME=VALUE`" in shown


def test_it_is_found_behind_other_changes_of_the_answers_and_an_update(examine: Examine, service: Path) -> None:
    for replicas in (3, 4):
        write_answers(service, {"replicas": replicas})
        commit(service)
    _update_by_plain_copier(service, "--vcs-ref", ":current:", "--data", "project_name=Store")
    commit(service)
    _update_by_plain_copier(service, "--vcs-ref", "v1.2.0")
    commit(service)
    assert _edited(examine(service, "--ref", "v1.2.0")) == [("replicas", 4, 2)]
    write_answers(service, {"replicas": 2})
    commit(service)
    assert _edited(examine(service, "--ref", "v1.2.0")) == []


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("last", [3, 4000])
def test_of_several_edits_the_answer_before_the_first_is_the_one_that_the_files_were_made_with(
    examine: Examine, service: Path, last: int, *, is_committed: bool
) -> None:
    write_answers(service, {"replicas": 4})
    commit(service)
    write_answers(service, {"replicas": last})
    if is_committed:
        commit(service)
    found = examine(service)
    assert (_edited(found), found["changed_files"]) == ([("replicas", last, 2)], [])


def test_an_answer_that_is_put_back_without_a_commit_is_no_hand_edit(examine: Examine, service: Path) -> None:
    write_answers(service, {"replicas": 4000})
    commit(service)
    write_answers(service, {"replicas": 2})
    found = examine(service)
    assert (_edited(found), found["exit"]) == ([], 0)


def test_an_answer_that_adds_a_file_was_edited_by_hand_only_where_all_else_is_as_before(
    examine: Examine, service: Path
) -> None:
    _merge_update(service, "--set", "database=sqlite")
    (service / "app" / "sqlite.py").unlink()
    commit(service)
    found = examine(service)
    assert (_edited(found), found["deleted_files"]) == ([], ["app/sqlite.py"])


@pytest.mark.parametrize(("version", "file"), [("v1.1.0", "README.md"), ("v1.2.0", "compose.yaml")])
def test_an_answer_that_an_update_has_changed_is_no_hand_edit(
    examine: Examine, service: Path, version: str, file: str
) -> None:
    before = (service / file).read_text()
    _merge_update(service, "--set", "replicas=3", "--ref", version)
    # A team changes or puts back what it likes, afterwards.
    (service / file).write_text(before if file == "compose.yaml" else "# Ours\n")
    commit(service)
    found = examine(service, "--ref", version)
    assert (_edited(found), found["changed_files"], found["exit"]) == ([], [file], 0)


def test_answers_that_two_branches_have_changed_by_updates_are_no_hand_edits(examine: Examine, service: Path) -> None:
    git(service, "checkout", "--quiet", "-b", "other")
    _merge_update(service, "--set", "cpu_cores=4")
    git(service, "checkout", "--quiet", "main")
    _merge_update(service, "--set", "project_name=Store")
    git(service, "merge", "--quiet", "--no-edit", "other")
    found = examine(service)
    assert (_edited(found), found["changed_files"], found["exit"]) == ([], [], 0)


def test_an_answer_that_plain_copier_has_changed_and_nobody_committed_is_no_hand_edit(
    examine: Examine, service: Path
) -> None:
    _update_by_plain_copier(service, "--vcs-ref", ":current:", "--data", "replicas=3")
    assert (service / "compose.yaml").read_text() == "replicas: 3\n"
    assert _edited(examine(service)) == []


def test_a_shallow_clone_is_examined_as_far_as_its_history_goes_and_told(
    examine: Examine, run: Callable[..., Result], service: Path, tmp_path: Path
) -> None:
    write_answers(service, {"replicas": 3})
    commit(service)
    (service / "ours.txt").write_text("")
    commit(service)
    for depth, edited, changed in ((2, [], ["compose.yaml"]), (3, [("replicas", 3, 2)], [])):
        clone = tmp_path / f"clone-{depth}"
        git(tmp_path, "clone", "--quiet", "--depth", str(depth), f"file://{service}", clone)
        found = examine(clone)
        assert (_edited(found), found["changed_files"], found["problem"]) == (edited, changed, None)
        assert found["answers_problem"].startswith("The history is shallow")
        assert found["exit"] == (3 if edited else 0)
    shown = run(tmp_path / "clone-2", "--ref", "v1.1.0").stdout
    assert "not known" in shown.splitlines()[1]
    assert "fetch all of it (`git fetch --unshallow`; in a workflow fetch-depth: 0)." in shown


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"worker_strategy": "waitress"}, "refuses ('waitress' is not in ["),
        ({"workers": "many"}, "refuses (workers must be a whole number, not 'many')"),
        ({"workers": [2]}, "refuses (workers must be a whole number, not [2])"),
        ({"database_plan": "nobodys-plan"}, "refuses ('nobodys-plan' is not in ["),
        ({"replica_count": 4}, "v1.1.0 of the template does not ask for replica_count"),
    ],
)
def test_an_answer_that_the_version_cannot_have_taken_was_edited_by_hand(
    examine: Examine, service: Path, written: dict[str, Any], reason: str
) -> None:
    write_answers(service, written)
    # Without a history there is nothing to compare with.
    shutil.rmtree(service / ".git")
    git(service, "init", "--quiet")
    found = examine(service)
    ((name, answer),) = written.items()
    assert _edited(found) == [(name, answer if isinstance(answer, str | int) else str(answer), None)]
    assert reason in found["hand_edited_answers"][0]["reason"]
    assert (found["changed_files"], found["plan_fits"], found["exit"]) == ([], True, 3)


# PLAN -------------------------------------------------------------------------------------------


def test_a_plan_that_does_not_fit_is_told_with_the_sum(examine: Examine, service: Path) -> None:
    write_answers(service, {"replicas": 500})
    commit(service)
    found = examine(service)
    assert _edited(found) == [("replicas", 500, 2)]
    assert found["plan_fits"] is False
    assert "500 web processes need 500 connections, but only 95 are usable" in found["plan_problem"]
    assert (found["changed_files"], found["exit"]) == ([], 3)


def test_without_a_history_the_files_of_such_answers_cannot_be_known(
    examine: Examine, run: Callable[..., Result], service: Path
) -> None:
    write_answers(service, {"replicas": 500})
    shutil.rmtree(service / ".git")
    git(service, "init", "--quiet")
    found = examine(service)
    assert (found["changed_files"], found["plan_fits"], found["exit"]) == (None, False, 3)
    assert "not known" in run(service).stdout


def test_a_limit_of_a_plan_that_has_fallen_is_told_before_the_update(
    examine: Examine, template: Path, tmp_path: Path
) -> None:
    answers = {"project_name": "Blog", "database": "postgresql", "database_plan": PLAN, "replicas": 8}
    service = make_service(template, tmp_path / "blog", "v1.1.0", answers)
    assert examine(service)["plan_fits"] is True
    found = examine(service, "--ref", "v1.2.0")
    assert (found["plan_fits"], found["hand_edited_answers"], found["exit"]) == (False, [], 3)
    assert "v1.2.0 of the template refuses" in found["plan_problem"]
    assert "only 1 of 6 are usable" in found["plan_problem"]


# MANY -------------------------------------------------------------------------------------------


def test_one_that_cannot_be_examined_does_not_stop_the_others(
    run: Callable[..., Result], service: Path, tmp_path: Path
) -> None:
    broken = {
        "unknown-version": ("_commit: v1.1.0", "_commit: v7.0.0", "has no version v7.0.0; its newest is v1.2.0"),
        "unreachable": (
            "_src_path: git+file://",
            "_src_path: git+file:///gone",
            "cannot be fetched from git+file:///go",
        ),
        "no-yaml": ("_commit: v1.1.0", "{", "is not YAML"),
    }
    services = [service, *(service.parent / name for name in broken)]
    for name, (text, replacement, _) in broken.items():
        shutil.copytree(service, service.parent / name)
        file = service.parent / name / ".copier-answers.yml"
        assert text in file.read_text()
        file.write_text(file.read_text().replace(text, replacement))
    (tmp_path / "empty").mkdir()
    places = [services[1], tmp_path / "empty", services[2], services[3], service]
    result = run(*places, "--json", "--ref", "v1.1.0")
    problems = {Path(found["directory"]).name: found["problem"] for found in json.loads(result.stdout)}
    assert list(problems) == ["unknown-version", "empty", "unreachable", "no-yaml", "shop"]
    assert problems["shop"] is None
    assert "is not a service" in problems["empty"]
    for name, (_, _, sentence) in broken.items():
        assert sentence in problems[name]
    assert result.exit_code == 1


def test_the_table_has_one_line_for_each_without_blanks_at_its_end(
    run: Callable[..., Result], service: Path, template: Path, tmp_path: Path
) -> None:
    old = make_service(template, tmp_path / "a-directory-of-a-rather-long-name" / "old", "v1.0.0", {})
    write_answers(service, {"replicas": 3})
    result = run(service, old, tmp_path)
    table, *sentences = result.stdout.split("\n\n")
    heading, *rows = (line.split("  ") for line in table.splitlines())
    cells = [[cell.strip() for cell in row if cell.strip()] for row in (heading, *rows)]
    assert cells == [
        ["Service", "Directory", "Version", "Behind", "Files", "Answers", "Plan"],
        ["Shop", str(service), "v1.1.0", "1 version (v1.2.0)", "as made", "1 edited by hand", "fits"],
        ["My Service", str(old), "v1.0.0", "2 versions (v1.2.0)", "as made", "as made", "fits"],
        [tmp_path.name, str(tmp_path), "unknown", "not examined"],
    ]
    assert sentences[0] == f"{service}: .copier-answers.yml says replicas: 3, but the files were made with 2."
    assert sentences[1].startswith(f"{tmp_path}: {tmp_path} is not a service")
    assert not [line for line in result.stdout.splitlines() if line != line.rstrip()]
    assert result.exit_code == 1


def test_each_template_is_fetched_once(
    run: Callable[..., Result], service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(service, tmp_path / "second")
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    assert run(service, tmp_path / "second", "--ref", "v1.1.0").exit_code == 0
    assert trace.read_text().count("built-in: git clone") == 1


def test_a_template_that_has_moved_is_read_where_it_is(
    examine: Examine, service: Path, template: Path, tmp_path: Path
) -> None:
    file = service / ".copier-answers.yml"
    file.write_text(file.read_text().replace(str(template), str(tmp_path / "gone.git")))
    commit(service)
    assert "name its new address with --template" in examine(service)["problem"]
    found = examine(service, "--template", f"git+file://{template}", "--ref", "v1.1.0")
    assert (found["problem"], found["exit"]) == (None, 0)


def test_a_service_below_the_top_of_its_repository_has_the_history_of_its_own_answers(
    examine: Examine, service: Path
) -> None:
    shutil.rmtree(service / ".git")
    git(service.parent, "init", "--quiet")
    shutil.copytree(service, service.parent / "other")
    commit(service.parent)
    write_answers(service.parent / "other", {"replicas": 3})
    commit(service.parent)
    assert _edited(examine(service)) == []
    assert _edited(examine(service.parent / "other")) == [("replicas", 3, 2)]


def _merge_update(service: Path, *arguments: str) -> None:
    result = CliRunner().invoke(app, ["update", str(service), "--json", *arguments])
    assert result.exit_code == 0, result.output
    git(service, "merge", "--quiet", "--no-edit", json.loads(result.stdout)["branch"])


def _update_by_plain_copier(service: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "copier", "update", "--quiet", "--defaults", *arguments]
    subprocess.run(command, cwd=service, check=True, capture_output=True)
