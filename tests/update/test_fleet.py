"""Many services at once: what each gets, what is done when one fails, and that a second run does only what is left."""

import contextlib
import json
import multiprocessing.util
import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from isolation import isolated
from paceline.cli import app
from update.fleet_services import BRANCH, branches, git, make_template, publish, url_of, write_fleet
from update.services import commit, make_service

# Long enough for a machine that does much else.
PATIENCE = 120

Start = Callable[..., subprocess.Popen[str]]
Update = Callable[..., Result]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ``template.git`` and ``service``, a service at v1.0.0 in a repository; only read."""
    with isolated(tmp_path_factory.mktemp("home")):
        directory = tmp_path_factory.mktemp("origin")
        make_service(make_template(directory), directory / "service", "v1.0.0")
    return directory


@pytest.fixture
def services(origin: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    """Makes services, each in a repository of its own, below the test's directory."""

    def make(*names: str) -> list[Path]:
        return [shutil.copytree(origin / "service", tmp_path / name) for name in names]

    return make


@pytest.fixture
def remotes(origin: Path, tmp_path: Path) -> Callable[..., list[Path]]:
    """Makes bare repositories of services below the test's directory."""

    def make(*names: str) -> list[Path]:
        return [publish(origin / "service", tmp_path / f"{name}.git") for name in names]

    return make


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The directory for temporary files, empty at first."""
    # Which the process uses from the first test to its end.
    multiprocessing.util.get_temp_dir()
    # Not below the test's own: the path of a socket, which processes are forked by, has a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="fleet-") as directory:
        monkeypatch.setattr("tempfile.tempdir", directory)
        monkeypatch.setenv("TMPDIR", directory)
        yield Path(directory)


@pytest.fixture
def update(temporary: Path) -> Update:
    """Runs ``paceline update`` in this process, and sees that no temporary file is left."""

    def run(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(app, ["update", *map(str, arguments)])
        assert _left_in(temporary) == []
        return result

    return run


def test_each_directory_gets_a_branch_and_the_table_says_so(
    update: Update, services: Callable[..., list[Path]]
) -> None:
    orders, billing = services("orders", "billing")
    result = update(orders, billing, orders, "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    for service in (orders, billing):
        assert git(service, "log", "--format=%s", f"main..{BRANCH}").count("\n") == 0
        assert "second" in git(service, "show", f"{BRANCH}:README.md")
        assert git(service, "status", "--porcelain") == ""
    rows = [line.split() for line in result.stdout.splitlines() if "v1.0.0" in line]
    assert [row[-6:] for row in rows] == [
        [str(path), *["v1.0.0", "→", "v1.1.0", "updated"], BRANCH] for path in (orders, billing)
    ]
    assert "2 services: 2 updated." in result.stdout


def test_one_that_cannot_be_updated_does_not_stop_the_others(
    update: Update, services: Callable[..., list[Path]], tmp_path: Path
) -> None:
    dirty, clean, lost = services("dirty", "clean", "lost")
    (dirty / "README.md").write_text("Edited\n")
    answers = lost / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("template.git", "gone.git"))
    commit(lost)
    result = update(dirty, tmp_path / "nothing", lost, clean, "--ref", "v1.1.0", "--json", "--jobs", "2")
    assert result.exit_code == 1
    outcomes = json.loads(result.stdout)
    assert [outcome["result"] for outcome in outcomes] == ["failed", "failed", "failed", "updated"]
    assert "1 change that git does not have" in outcomes[0]["reason"]
    assert "is not a service" in outcomes[1]["reason"]
    assert "cannot be fetched from" in outcomes[2]["reason"]
    assert "gone.git" in outcomes[2]["reason"]
    assert (outcomes[3]["reason"], outcomes[3]["branch"]) == (None, BRANCH)


def test_services_named_by_url_get_their_branch_pushed_and_a_second_run_does_only_what_is_left(
    update: Update, remotes: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders, billing = remotes("orders", "billing")
    fleet = write_fleet(
        tmp_path, {"url": url_of(orders)}, {"url": url_of(tmp_path / "later.git")}, {"url": "billing.git"}
    )
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    first = update("--fleet", fleet, "--ref", "v1.1.0", "--push")
    assert first.exit_code == 1, first.output
    assert "3 services: 2 updated, 1 failed." in first.stdout
    assert "later.git cannot be cloned" in first.stdout
    # The template is fetched once for all.
    assert (tmp_path / "trace").read_text().count("git clone --quiet --bare --") == 1
    commits = [git(repository, "rev-parse", BRANCH) for repository in (orders, billing)]
    assert git(orders, "rev-list", "--count", f"main..{BRANCH}") == "1"

    remotes("later")
    git(billing, "update-ref", "refs/heads/main", BRANCH)
    second = update("--fleet", fleet, "--ref", "v1.1.0", "--push", "--json")
    assert second.exit_code == 0, second.output
    outcomes = json.loads(second.stdout)
    assert [outcome["result"] for outcome in outcomes] == ["already on its branch", "updated", "up to date"]
    assert [outcome["pushed_to"] for outcome in outcomes] == ["origin", "origin", None]
    assert outcomes[0]["base"] == "main"
    assert [git(repository, "rev-parse", BRANCH) for repository in (orders, billing)] == commits


def test_a_branch_that_was_made_and_not_pushed_is_pushed_by_the_next_run(
    update: Update, services: Callable[..., list[Path]], tmp_path: Path
) -> None:
    tracked, alone = services("tracked", "alone")
    publish(tracked, tmp_path / "upstream.git")
    git(tracked, "remote", "add", "upstream", tmp_path / "upstream.git")
    git(tracked, "config", "branch.main.remote", "upstream")
    assert update(tracked, "--ref", "v1.1.0").exit_code == 0
    assert branches(tmp_path / "upstream.git") == []
    result = update(tracked, alone, "--ref", "v1.1.0", "--push", "--json")
    assert result.exit_code == 1
    pushed, refused = json.loads(result.stdout)
    assert (pushed["result"], pushed["pushed_to"]) == ("already on its branch", "upstream")
    assert branches(tmp_path / "upstream.git") == [BRANCH]
    assert "has no remote origin" in refused["reason"]
    assert branches(alone) == []


def test_a_branch_that_a_colleague_has_pushed_is_not_made_again(
    update: Update, services: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (service,) = services("service")
    bare = publish(service, tmp_path / "remote.git")
    git(service, "remote", "add", "origin", bare)
    made = git(bare, "commit-tree", "-p", "main", "-m", "A colleague's update", "main^{tree}")
    git(bare, "branch", BRANCH, made)
    result = update(service, "--ref", "v1.1.0", "--push")
    assert result.exit_code == 0, result.output
    assert "has this already" in result.stdout
    assert branches(service) == []
    assert git(bare, "rev-parse", BRANCH) == made


def test_two_services_of_one_repository_are_updated_side_by_side(update: Update, origin: Path, tmp_path: Path) -> None:
    repository = tmp_path / "acme"
    for name in ("orders", "billing"):
        shutil.copytree(origin / "service", repository / "services" / name, ignore=shutil.ignore_patterns(".git"))
    git(repository, "init", "--quiet")
    commit(repository)
    bare = publish(repository, tmp_path / "acme.git")
    wanted = [f"paceline/services/{name}/update-v1.1.0" for name in ("billing", "orders")]
    by_directory = update(
        repository / "services" / "orders", repository / "services" / "billing", "--ref", "v1.1.0", "--jobs", "2"
    )
    assert by_directory.exit_code == 0, by_directory.output
    assert branches(repository) == wanted
    fleet = write_fleet(
        tmp_path, *({"url": url_of(bare), "directory": f"services/{name}"} for name in ("orders", "billing"))
    )
    by_url = update("--fleet", fleet, "--ref", "v1.1.0", "--push", "--jobs", "2")
    assert by_url.exit_code == 0, by_url.output
    assert branches(bare) == wanted
    changed = git(bare, "diff", "--name-only", "main", wanted[0])
    assert set(changed.splitlines()) == {"services/billing/.copier-answers.yml", "services/billing/README.md"}


def test_conflicts_are_told_with_the_way_to_finish_and_nothing_is_pushed(
    update: Update, services: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (service,) = services("service")
    (service / "README.md").write_text("# Ours\n\nOn sqlite.\n\nBy its team.\n")
    commit(service)
    bare = publish(service, tmp_path / "remote.git")
    fleet = write_fleet(tmp_path, {"url": url_of(bare)}, {"directory": "service"})
    result = update("--fleet", fleet, "--ref", "v1.1.0", "--dry-run")
    assert result.exit_code == 3, result.output
    assert git(service, "worktree", "list").count("\n") == 0
    git(service, "remote", "add", "origin", bare)
    result = update("--fleet", fleet, "--ref", "v1.1.0", "--push")
    assert result.exit_code == 3, result.output
    assert branches(bare) == []
    assert "paceline update . --ref v1.1.0" in result.stdout
    worktree = tmp_path / "service.update-v1.1.0"
    assert f"paceline update --continue {worktree}" in result.stdout
    assert "<<<<<<<" in (worktree / "README.md").read_text()


def test_a_rehearsal_of_a_fleet_changes_nothing(
    update: Update, remotes: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (bare,) = remotes("orders")
    result = update("--fleet", write_fleet(tmp_path, {"url": url_of(bare)}), "--ref", "v1.1.0", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    (outcome,) = json.loads(result.stdout)
    assert outcome["result"] == "rehearsed"
    assert "second" in outcome["diff"]
    assert branches(bare) == []
    shown = update("--fleet", tmp_path / "fleet.toml", "--ref", "v1.1.0", "--dry-run").stdout
    assert "rehearsed  would change 2 files\n" in shown
    assert "1 service: 1 rehearsed." in shown


def test_the_organisations_answers_are_for_questions_that_are_new(
    update: Update, services: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (service,) = services("service")
    (tmp_path / "team.yml").write_text("database: postgresql\nregion: eu-north\n")
    result = update("--fleet", write_fleet(tmp_path, {"directory": "service"}, answers="team.yml"), "--ref", "v1.1.0")
    assert result.exit_code == 0, result.output
    answers = git(service, "show", f"{BRANCH}:.copier-answers.yml")
    assert "database: sqlite" in answers
    assert "region: eu-north" in answers


def test_an_organisations_answer_to_no_question_is_refused(
    update: Update, services: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (service,) = services("service")
    (tmp_path / "team.yml").write_text("regoin: eu-north\n")
    result = update(service, "--ref", "v1.1.0", "--answers", tmp_path / "team.yml")
    assert result.exit_code == 2
    assert "no question 'regoin'" in result.stderr
    assert "did you mean 'region'?" in result.stderr


def test_a_moved_template_is_named_once_for_all(
    update: Update, services: Callable[..., list[Path]], origin: Path, tmp_path: Path
) -> None:
    orders, billing = services("orders", "billing")
    moved = tmp_path / "moved.git"
    git(tmp_path, "clone", "--quiet", "--bare", origin / "template.git", moved)
    named = {"template": f"git+file://{moved}"}
    result = update(
        "--fleet", write_fleet(tmp_path, {"directory": "orders"}, {"directory": "billing"}, **named), "--ref", "v1.1.0"
    )
    assert result.exit_code == 0, result.output
    for service in (orders, billing):
        assert f"_src_path: git+file://{moved}" in git(service, "show", f"{BRANCH}:.copier-answers.yml")


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a stand-in for uv, which runs lines of a shell, first on the path."""

    def put(lines: str) -> None:
        binaries = tmp_path / "binaries"
        binaries.mkdir()
        (binaries / "uv").write_text(f"#!/bin/sh\n{lines}\n")
        (binaries / "uv").chmod(0o755)
        monkeypatch.setenv("PATH", str(binaries), prepend=os.pathsep)

    return put


def test_the_services_own_checks_decide_for_each(
    update: Update, services: Callable[..., list[Path]], uv: Callable[[str], None]
) -> None:
    good, bad = services("good", "bad")
    (bad / "fails").touch()
    commit(bad)
    uv('[ "$2" = pytest ] && [ -f fails ] && exit 5\nexit 0')
    result = update(good, bad, "--ref", "v1.1.0", "--verify")
    assert result.exit_code == 1, result.output
    assert "tests with status 5" in result.stdout
    assert (branches(good), branches(bad)) == ([BRANCH], [])


def test_a_process_that_is_killed_is_one_failed_row(
    update: Update, services: Callable[..., list[Path]], uv: Callable[[str], None], tmp_path: Path
) -> None:
    good, bad = services("good", "bad")
    (bad / "kills").touch()
    commit(bad)
    # Whoever calls uv is the process that updates the service.
    uv(f"[ -f kills ] && {{ echo $$ > '{tmp_path}/started'; kill -9 $PPID; exec sleep 1000; }}\nexit 0")
    result = update(bad, good, "--ref", "v1.1.0", "--verify", "--jobs", "1")
    assert result.exit_code == 1, result.output
    assert "was ended by SIGKILL" in result.stdout
    assert branches(good) == [BRANCH]
    assert not _is_running(int((tmp_path / "started").read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_what_is_done_and_nothing_else(
    number: signal.Signals,
    update: Update,
    services: Callable[..., list[Path]],
    uv: Callable[[str], None],
    temporary: Path,
    tmp_path: Path,
    start_paceline: Start,
) -> None:
    (done, waits, never) = services("done", "waits", "never")
    (waits / "waits").touch()
    commit(waits)
    publish(waits, tmp_path / "clone.git")
    os.mkfifo(tmp_path / "fifo")
    uv(f"[ -f waits ] && {{ echo $$ > '{tmp_path}/fifo'; exec sleep 1000; }}\nexit 0")
    names = [{"directory": "done"}, {"directory": "waits"}, {"url": "clone.git"}, {"directory": "never"}]
    fleet = write_fleet(tmp_path, *names)
    command = ["update", "--fleet", fleet, "--ref", "v1.1.0", "--verify", "--push", "--jobs", "2", "--json"]
    publish(done, tmp_path / "done.git")
    for service in (done, waits, never):
        git(service, "remote", "add", "origin", tmp_path / "done.git")
    with _ended(start_paceline(*command)) as process:
        sleepers = _ids(tmp_path / "fifo", count=2)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, stderr
    outcomes = json.loads(stdout)
    assert [outcome["result"] for outcome in outcomes] == ["updated", "stopped", "stopped", "stopped"]
    assert "the same command does what is left" in stderr
    assert not any(map(_is_running, sleepers))
    assert [branches(service) for service in (done, waits, never)] == [[BRANCH], [], []]
    assert git(waits, "worktree", "list").count("\n") == 0
    assert list(temporary.iterdir()) == []
    (waits / "waits").unlink()
    commit(waits)
    again = update(done, waits, never, "--ref", "v1.1.0")
    assert "3 services: 2 updated, 1 already on its branch." in again.stdout, again.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fleet", "fleet.toml"], "pass --push"),
        (["--fleet", "fleet.toml", "orders", "--push"], "pass no directories beside --fleet"),
        (["--continue", "orders", "billing"], "take one service"),
        (["--abort", "--fleet", "fleet.toml"], "take one service"),
        (["--abort", "orders", "--push"], "pass no other option"),
        (["--fleet", "missing.toml"], "missing.toml cannot be read: No such file"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(
    arguments: list[str], sentence: str, update: Update, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fleet(tmp_path, {"url": "file:///nowhere.git"})
    monkeypatch.chdir(tmp_path)
    result = update(*arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr


def _left_in(directory: Path) -> list[str]:
    """What lies there, but for what Python keeps until the process ends, to ask for others."""
    return [path.name for path in directory.iterdir() if not path.name.startswith("pymp-")]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended, and that its parent has not asked for.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _ids(fifo: Path, count: int) -> list[int]:
    """The numbers of as many processes as write theirs to a fifo."""
    descriptor = os.open(fifo, os.O_RDWR)
    said = b""
    while said.count(b"\n") < count:
        ready, _, _ = select.select([descriptor], [], [], PATIENCE)
        assert ready, "nobody came"
        said += os.read(descriptor, 100)
    os.close(descriptor)
    return [int(line) for line in said.split()]


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Generator[subprocess.Popen[str]]:
    """A process with a group of its own, all of which has ended after the block."""
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
