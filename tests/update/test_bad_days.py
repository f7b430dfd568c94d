"""What can go wrong with an update: one sentence and a status, and the service stays as it was."""

import os
import shutil
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from cli.observations import hide_commands
from update.observations import PATIENCE, Command, Start, files, state, wait_for
from update.services import address, commit
from update.small_template import add_version, git, main_module

BRANCH = "paceline/update-v1.1.0"
TO_NEXT = ("--ref", "v1.1.0")


def refuse(paceline: Command, service: Path, *arguments: str | Path, status: int = 1) -> str:
    """The sentence with which the command ends; all is as it was."""
    before = state(service)
    result = paceline("update", service, *(arguments or TO_NEXT))
    assert result.exit_code == status, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.endswith(".\n")
    assert "Traceback" not in result.output
    assert state(service) == before
    return result.stderr


def accept(paceline: Command, service: Path, *arguments: str | Path) -> None:
    """The update is made, as a branch at HEAD, and all else is as it was."""
    before = state(service)
    result = paceline("update", service, *(arguments or TO_NEXT))
    assert result.exit_code == 0, result.output
    branches = git(service, "for-each-ref", "--format=%(refname:short)", "refs/heads/paceline").splitlines()
    assert len(branches) == 1
    assert git(service, "rev-parse", f"{branches[0]}^") == git(service, "rev-parse", "HEAD")
    git(service, "branch", "--quiet", "-m", branches[0], "kept")
    git(service, "update-ref", "refs/kept", "kept")
    git(service, "branch", "-D", "kept")
    after = state(service)
    after["for-each-ref"] = "\n".join(line for line in after["for-each-ref"].split("\n") if "refs/kept" not in line)
    assert after == before


# What is not committed


@pytest.mark.parametrize("kind", ["changed", "staged", "untracked", "deleted"])
def test_what_is_not_committed_is_named(paceline: Command, service: Path, kind: str) -> None:
    file = service / "app" / ("own.py" if kind == "untracked" else "main.py")
    if kind == "deleted":
        file.unlink()
    else:
        file.write_text("OURS = True\n")
    if kind == "staged":
        git(service, "add", "--all")
    said = refuse(paceline, service)
    assert f"has 1 change that git does not have (app/{file.name} for example); commit or stash" in said


def test_files_that_git_status_does_not_show_the_user_are_named_too(
    paceline: Command, service: Path, git_settings: Path
) -> None:
    with git_settings.open("a") as settings:
        settings.write("[status]\n\tshowUntrackedFiles = no\n")
    (service / "own.py").write_text("OURS = True\n")
    assert "(own.py for example)" in refuse(paceline, service)


def test_a_merge_under_way_is_to_be_finished_first(paceline: Command, service: Path) -> None:
    git(service, "switch", "--quiet", "--create", "other")
    (service / "app" / "main.py").write_text(main_module("theirs"))
    commit(service)
    git(service, "switch", "--quiet", "main")
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)
    subprocess.run(["git", "merge", "other"], cwd=service, capture_output=True, check=False)
    assert "has merge conflicts; resolve and commit them" in refuse(paceline, service)


# Where the service lies


def test_a_detached_head_is_where_the_branch_starts(paceline: Command, service: Path) -> None:
    (service / "own.py").write_text("OURS = True\n")
    commit(service)
    git(service, "checkout", "--quiet", "--detach", "HEAD^")
    accept(paceline, service)


def test_a_shallow_clone_of_a_service_is_updated(paceline: Command, service: Path) -> None:
    for number in range(3):
        (service / "own.py").write_text(f"OURS = {number}\n")
        commit(service)
    shallow = service.parent / "shallow"
    git(service.parent, "clone", "--quiet", "--depth", "1", f"file://{service}", shallow)
    accept(paceline, shallow)


def test_a_service_in_a_linked_worktree_of_the_users_is_updated(paceline: Command, service: Path) -> None:
    linked = service.parent / "linked"
    git(service, "worktree", "add", "--quiet", "-b", "feature", linked)
    (linked / "own.py").write_text("OURS = True\n")
    commit(linked)
    accept(paceline, linked)


def test_without_a_commit_there_is_nothing_to_update(paceline: Command, service: Path) -> None:
    shutil.rmtree(service / ".git")
    git(service, "init", "--quiet")
    assert "has no commit yet; commit all files" in refuse(paceline, service)


def test_without_a_repository_there_is_nothing_to_update(paceline: Command, service: Path) -> None:
    shutil.rmtree(service / ".git")
    assert "is in no git repository" in refuse(paceline, service)


def test_a_directory_without_a_service_is_named(paceline: Command, service: Path) -> None:
    assert "is not a service" in refuse(paceline, service / "app")


def test_a_submodule_of_the_service_is_left_alone(paceline: Command, service: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "code.py").write_text("CODE = 1\n")
    git(library, "init", "--quiet")
    commit(library)
    git(service, "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", library, "vendor/library")
    commit(service)
    accept(paceline, service)
    assert "160000" in git(service, "ls-tree", "-r", "refs/kept", "vendor")


# The template


def test_a_version_that_is_not_there_is_named(paceline: Command, service: Path) -> None:
    said = refuse(paceline, service, "--ref", "v9.9.9")
    assert "has no version v9.9.9; its newest is v2.0.0. It is the version that you asked for" in said


def test_the_services_own_version_may_be_the_missing_one(paceline: Command, template: Path, service: Path) -> None:
    git(template, "tag", "--delete", "v1.0.0")
    assert "has no version v1.0.0; its newest is v2.0.0. My Service was made from it" in refuse(paceline, service)


def test_a_template_that_is_gone_is_named_with_the_way_out(paceline: Command, template: Path, service: Path) -> None:
    shutil.rmtree(template)
    said = refuse(paceline, service)
    assert f"cannot be fetched from {address(template)}" in said
    assert "or name its new address with --template" in said


def test_a_template_that_goes_away_half_way_was_read_by_then(
    paceline: Command, template: Path, service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paceline import updating

    prepare = updating.check_is_committed
    monkeypatch.setattr(updating, "check_is_committed", lambda service: (shutil.rmtree(template), prepare(service)))
    accept(paceline, service)
    assert not template.exists()


def test_a_version_before_the_services_is_refused(paceline: Command, service: Path) -> None:
    paceline("update", service, "--ref", "v1.2.0")
    git(service, "merge", "--quiet", "paceline/update-v1.2.0")
    said = refuse(paceline, service)
    assert "is at v1.2.0, which is newer than v1.1.0; upgrade paceline, or name a newer version" in said


@pytest.mark.parametrize("more", ["", "shiny: true\n"])
def test_answers_of_a_version_that_nobody_has_published_are_named(paceline: Command, service: Path, more: str) -> None:
    answers = service / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("v1.0.0", "v3.0.0") + more)
    commit(service)
    assert "has no version v3.0.0" in refuse(paceline, service)


# The answers file


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("a: [\n", 2, "is not YAML"),
        ("<<<<<<< ours\n_commit: v1.0.0\n=======\n_commit: v1.1.0\n>>>>>>> theirs\n", 2, "is not YAML"),
        ("- a\n", 2, "must hold lines such as"),
        ("", 1, "does not know the repository and the version of its template"),
        ("_src_path: git+https://git.example.com/t.git\n", 1, "does not know the repository and the version"),
        ("_commit: v1.0.0\n", 1, "does not know the repository and the version"),
        ("_src_path:\n_commit:\n", 1, "does not know the repository and the version"),
        ("_src_path: template\n_commit: v1.0.0\n", 1, "cannot be fetched from template"),
    ],
)
def test_a_broken_answers_file_is_named(paceline: Command, service: Path, text: str, status: int, words: str) -> None:
    (service / ".copier-answers.yml").write_text(text)
    commit(service)
    assert words in refuse(paceline, service, status=status)


def test_an_answers_file_of_other_bytes_is_named(paceline: Command, service: Path) -> None:
    (service / ".copier-answers.yml").write_bytes(b"project_name: \xff\n")
    commit(service)
    assert "is not YAML" in refuse(paceline, service, status=2)


def test_an_answer_written_by_hand_that_no_rule_allows_is_named(paceline: Command, service: Path) -> None:
    answers = service / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("cpu_cores: 2", "cpu_cores: 0"))
    commit(service)
    said = refuse(paceline, service)
    assert "v1.0.0 of the template refuses the stored answer cpu_cores: 0" in said
    assert "it was written by hand: put back the answer that the files were made with (`paceline status` names" in said


# Links


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_a_file_that_was_replaced_by_a_link_stays_one(
    paceline: Command, service: Path, tmp_path: Path, where: str
) -> None:
    target = service / "app" / "real.py" if where == "inside" else tmp_path / "outside.py"
    (service / "app" / "main.py").rename(target)
    (service / "app" / "main.py").symlink_to("real.py" if where == "inside" else target)
    commit(service)
    before = target.read_bytes()
    result = paceline("update", service, *TO_NEXT)
    assert result.exit_code == 0, result.output
    assert "app/main.py is a link, so the template's change to that file was left out" in result.stdout
    assert target.read_bytes() == before
    assert "120000" in git(service, "ls-tree", BRANCH, "app/main.py")
    assert git(service, "diff", "--name-only", "HEAD", BRANCH, "--", "app/real.py") == ""


def test_a_directory_that_was_replaced_by_a_link_is_refused(paceline: Command, service: Path, tmp_path: Path) -> None:
    (service / "app").rename(tmp_path / "app")
    (service / "app").symlink_to(tmp_path / "app")
    commit(service)
    before = files(tmp_path / "app")
    assert "app is a link in" in refuse(paceline, service)
    assert files(tmp_path / "app") == before


def test_answers_that_were_replaced_by_a_link_are_refused(paceline: Command, service: Path, tmp_path: Path) -> None:
    shared = (service / ".copier-answers.yml").rename(tmp_path / "shared.yml")
    (service / ".copier-answers.yml").symlink_to(shared)
    commit(service)
    before = shared.read_bytes()
    assert "is a link, and an update would write where it leads" in refuse(paceline, service)
    assert shared.read_bytes() == before


# What is in the way


def test_a_directory_of_the_users_is_not_taken(paceline: Command, service: Path) -> None:
    own = service.parent / "demo.update-v1.1.0"
    own.mkdir()
    (own / "work.txt").write_text("mine\n")
    assert f"The update is made in {own}, which is there already; move it away." in refuse(paceline, service)
    assert (own / "work.txt").read_text() == "mine\n"


def test_a_branch_that_leaves_no_room_is_named(paceline: Command, service: Path) -> None:
    git(service, "branch", "paceline")
    assert "git can have no branch paceline/update-v1.1.0 beside the branch paceline; rename that" in refuse(
        paceline, service
    )


def test_a_parent_directory_that_cannot_be_written_is_named(
    paceline: Command, service: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_to_make(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    make = Path.mkdir
    monkeypatch.setattr(
        Path,
        "mkdir",
        lambda path, *more, **most: (refuse_to_make if path.parent == service.parent else make)(path, *more, **most),
    )
    assert "demo.update-v1.1.0: Permission denied." in refuse(paceline, service)


def test_a_worktree_that_somebody_removed_by_hand_is_made_anew(paceline: Command, service: Path) -> None:
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)
    assert paceline("update", service, *TO_NEXT).exit_code == 3
    worktree = service.parent / "demo.update-v1.1.0"
    shutil.rmtree(worktree)
    assert paceline("update", service, *TO_NEXT).exit_code == 3
    assert worktree.is_dir()
    assert paceline("update", "--abort", service).exit_code == 0
    assert not worktree.exists()


# git


def test_without_git_there_is_a_sentence(
    paceline: Command, service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(service)
    hide_commands(monkeypatch, tmp_path / "path", but="cat")
    result = paceline("update", service, *TO_NEXT)
    assert (result.exit_code, result.stderr) == (1, "Error: git is not installed; install it and try again.\n")
    assert files(service) == before


def test_where_git_knows_nobody_the_commit_is_by_paceline(paceline: Command, service: Path, git_settings: Path) -> None:
    git_settings.write_text("[user]\n\tuseConfigOnly = true\n")
    accept(paceline, service)
    assert git(service, "log", "-1", "--format=%an", "refs/kept") == "Paceline"


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_users_hooks_do_not_run(paceline: Command, service: Path, git_settings: Path, everywhere: bool) -> None:
    hooks = git_settings.parent / "hooks" if everywhere else service / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    ran = git_settings.parent / "ran"
    for name in (
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "reference-transaction",
    ):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> '{ran}'\nexit 1\n")
        (hooks / name).chmod(0o755)
    if everywhere:
        with git_settings.open("a") as settings:
            settings.write(f"[core]\n\thooksPath = {hooks}\n")
    result = paceline("update", service, *TO_NEXT)
    assert result.exit_code == 0, result.output
    assert not ran.exists()


def test_a_signature_that_fails_leaves_nothing(paceline: Command, service: Path, git_settings: Path) -> None:
    with git_settings.open("a") as settings:
        settings.write("[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n")
    assert "The update cannot be committed (error: gpg failed to sign the data" in refuse(paceline, service)


OF_OUTPUT = """
[color]
  ui = always
  diff = always
  status = always
[core]
  quotePath = false
[diff]
  external = false
  mnemonicPrefix = true
  noprefix = true
[status]
  branch = true
  short = true
  showUntrackedFiles = no
"""
OF_CONTENT = """
[apply]
  whitespace = error
[commit]
  cleanup = verbatim
  verbose = true
[core]
  autocrlf = true
  safecrlf = true
[merge]
  conflictStyle = diff3
"""


@pytest.mark.parametrize("setting", [OF_OUTPUT, OF_CONTENT, "[core]\n  autocrlf = input\n"])
@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_what_the_user_has_set_up_for_git_changes_nothing(
    paceline: Command, service: Path, git_settings: Path, setting: str, options: tuple[str, ...]
) -> None:
    (service / "README.md").write_text((service / "README.md").read_text().replace("Nobody yet.", "Ada.  "))
    (service / "späße in ü.md").write_text("ü\n")
    commit(service)
    plain = paceline("update", service, *TO_NEXT, *options)
    made = "" if options else git(service, "rev-parse", f"{BRANCH}^{{tree}}")
    if not options:
        git(service, "branch", "-D", BRANCH)
    with git_settings.open("a") as settings:
        settings.write(setting)
    result = paceline("update", service, *TO_NEXT, *options)
    assert (result.exit_code, result.output) == (0, plain.output)
    assert made == ("" if options else git(service, "rev-parse", f"{BRANCH}^{{tree}}"))


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_conflicts_are_found_in_whichever_style_and_however_little_status_shows(
    paceline: Command, service: Path, git_settings: Path, style: str
) -> None:
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)
    with git_settings.open("a") as settings:
        settings.write(f"[merge]\n\tconflictStyle = {style}\n[status]\n\tshowUntrackedFiles = no\n")
    result = paceline("update", service, *TO_NEXT)
    assert result.exit_code == 3, result.output
    text = (service.parent / "demo.update-v1.1.0" / "app" / "main.py").read_text()
    assert '"ours"' in text
    assert '"second"' in text
    assert not list(service.parent.rglob("*.rej"))
    assert paceline("update", "--continue", service).exit_code == 1


def test_new_files_that_the_user_ignores_everywhere_are_in_it(
    paceline: Command, service: Path, git_settings: Path, tmp_path: Path
) -> None:
    (tmp_path / "ignored").write_text("health.py\nREADME.md\n")
    with git_settings.open("a") as settings:
        settings.write(f"[core]\n\texcludesFile = {tmp_path / 'ignored'}\n")
    (service / "README.md").write_text((service / "README.md").read_text().replace("Nobody yet.", "Ada."))
    commit(service)
    accept(paceline, service)
    assert "Ada." in git(service, "show", "refs/kept:README.md")
    assert "app/health.py" in git(service, "ls-tree", "-r", "--name-only", "refs/kept")
    assert "Two ways." in git(service, "show", "refs/kept:README.md")


# Names and contents


def test_files_of_any_name_and_content_come_through(paceline: Command, service: Path) -> None:
    for name in ("with space.txt", 'quo"te.txt', "new\nline.txt", "ümläut.txt", "-dash.txt"):
        (service / name).write_bytes(b"\xff\x00binary\r\n")
    commit(service)
    accept(paceline, service)
    assert git(service, "diff", "--diff-filter=D", "--name-only", "HEAD", "refs/kept") == "app/legacy.py"
    assert git(service, "diff", "--name-only", "HEAD", "refs/kept", "--", "*.txt") == ""


def test_a_name_that_is_not_utf_8_is_named(paceline: Command, service: Path) -> None:
    Path(os.fsdecode(os.fsencode(service) + b"/latin-\xff.txt")).write_text("ours\n")
    commit(service)
    assert "is not UTF-8, which copier cannot update; rename the file." in refuse(paceline, service)


def test_other_bytes_in_a_file_of_the_template_come_through(paceline: Command, service: Path) -> None:
    readme = service / "README.md"
    readme.write_bytes(readme.read_bytes().replace(b"Nobody yet.", b"Andr\xe9, \xff."))
    commit(service)
    accept(paceline, service)
    shown = subprocess.run(["git", "show", "refs/kept:README.md"], cwd=service, capture_output=True, check=True)
    assert b"Andr\xe9, \xff." in shown.stdout
    assert b"Two ways." in shown.stdout


def test_lines_that_end_as_on_windows_stay_so_where_the_template_changes_nothing(
    paceline: Command, service: Path
) -> None:
    file = service / "app" / "config.py"
    ignore = service / ".gitignore"
    ignore.write_bytes(ignore.read_bytes().replace(b"\n", b"\r\n") + b"own\r\n")
    file.write_bytes(file.read_bytes())
    commit(service)
    accept(paceline, service)
    assert git(service, "diff", "--name-only", "HEAD", "refs/kept", "--", ".gitignore") == ""


def test_a_new_file_of_the_template_that_the_service_ignores_is_left_to_it(
    paceline: Command, template: Path, service: Path
) -> None:
    (service / ".gitignore").write_text("generated\n")
    commit(service)
    add_version(template, "v1.1.1", {"template/generated/code.py": "CODE = 1\n"})
    accept(paceline, service, "--ref", "v1.1.1")
    assert "generated" not in git(service, "ls-tree", "-r", "--name-only", "refs/kept")
    assert git(service, "show", "refs/kept:.gitignore") == "generated"


# Stops


@contextmanager
def fifos(directory: Path) -> Generator[tuple[Path, Path, int]]:
    """Two fifos: what is to wait tells so by one, and waits for the other; and the first one, open for reading."""
    reached, released = directory / "reached", directory / "released"
    os.mkfifo(reached)
    os.mkfifo(released)
    reading = os.open(reached, os.O_RDONLY | os.O_NONBLOCK)
    releasing = os.open(released, os.O_RDWR)
    try:
        yield reached, released, reading
    finally:
        os.write(releasing, b"go\n" * 9)
        os.close(reading)
        os.close(releasing)


WAITING = """#!{shell}
case " $* " in
*"{at}"*) echo > '{reached}'; read _ < '{released}' ;;
esac
exec '{program}' "$@"
"""


@contextmanager
def waiting_program(binaries: Path, name: str, *, at: str) -> Generator[int]:
    """Let a program wait at a call; the value is readable once it does."""
    # A real uv would install the service, and find it wanting.
    program = shutil.which("true" if name == "uv" else name)
    with fifos(binaries.parent) as (reached, released, reading):
        script = binaries / name
        script.write_text(
            WAITING.format(shell=shutil.which("sh"), at=at, reached=reached, released=released, program=program)
        )
        script.chmod(0o755)
        yield reading
        script.unlink()


POINTS = [
    ("git", " clone "),
    ("git", " worktree add "),
    ("git", " write-tree "),
    ("git", " apply "),
    ("git", " add --all "),
    ("uv", " run pytest "),
]


@pytest.mark.parametrize(
    ("name", "at", "number"),
    [
        *((*point, number) for point in POINTS for number in (signal.SIGINT, signal.SIGTERM)),
        ("uv", " run pytest ", signal.SIGHUP),
    ],
)
def test_a_stop_at_any_point_leaves_all_as_it_was(
    start_paceline: Start, service: Path, binaries: Path, name: str, at: str, number: int
) -> None:
    before = state(service)
    with waiting_program(binaries, name, at=at) as reading:
        process = start_paceline("update", service, *TO_NEXT, *(["--verify"] if name == "uv" else []))
        wait_at(process, reading)
        # A terminal sends Ctrl-C to all, a system its signal to one.
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stderr) == (128 + number, "Stopped; nothing was changed.\n"), stdout
    assert state(service) == before


def test_a_stop_while_finishing_lets_it_wait_on(
    paceline: Command, start_paceline: Start, service: Path, binaries: Path
) -> None:
    (service / "app" / "main.py").write_text(main_module("ours"))
    commit(service)
    assert paceline("update", service, *TO_NEXT).exit_code == 3
    worktree = service.parent / "demo.update-v1.1.0"
    (worktree / "app" / "main.py").write_text(main_module("both"))
    before = state(service)
    with waiting_program(binaries, "uv", at=" run ty ") as reading:
        process = start_paceline("update", "--continue", service, "--verify")
        wait_at(process, reading)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stderr) == (130, "Stopped; the update still waits.\n")
    after = state(service)
    # The commit that the checks ran on is in the worktree alone.
    assert {**after, "worktree list --porcelain": ""} == {**before, "worktree list --porcelain": ""}
    assert paceline("update", "--continue", service).exit_code == 0
    assert '"both"' in git(service, "show", f"{BRANCH}:app/main.py")


def test_a_stop_while_the_branch_is_made_comes_too_late(start_paceline: Start, service: Path, binaries: Path) -> None:
    with waiting_program(binaries, "git", at=" branch --force ") as reading:
        process = start_paceline("update", service, *TO_NEXT)
        wait_at(process, reading)
        os.killpg(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGTERM)
        go(binaries)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stderr) == (0, ""), stdout
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"


def wait_at(process: subprocess.Popen[str], reading: int) -> None:
    """Wait until a program waits, and the command for it.

    A program that Python is still about to take note of is not ended with the command.
    """
    wait_for(reading)
    until = monotonic() + PATIENCE
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        assert monotonic() < until
        sleep(0.01)


def go(binaries: Path) -> None:
    """Let what waits go on."""
    (binaries.parent / "released").write_text("go\n")


def test_one_that_was_killed_is_named_by_the_next_and_removed_by_abort(
    paceline: Command, start_paceline: Start, service: Path, binaries: Path
) -> None:
    before = state(service)
    with waiting_program(binaries, "git", at=" apply ") as reading:
        process = start_paceline("update", service, *TO_NEXT)
        wait_at(process, reading)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    said = paceline("update", service, *TO_NEXT).stderr
    assert f"`paceline update --abort {service}` removes what it left." in said
    assert "was broken off" in paceline("update", service, "--continue").stderr
    assert paceline("update", service, "--abort").exit_code == 0
    assert state(service) == before
    accept(paceline, service)


def test_of_two_at_once_the_second_says_so(
    paceline: Command, start_paceline: Start, service: Path, binaries: Path
) -> None:
    with waiting_program(binaries, "uv", at=" run ty ") as reading:
        first = start_paceline("update", service, *TO_NEXT, "--verify")
        wait_at(first, reading)
        assert f"An update is under way in {service.parent / 'demo.update-v1.1.0'}; wait" in refuse(paceline, service)
        assert "is under way; stop the command that makes it" in paceline("update", "--abort", service).stderr
        go(binaries)
        stdout, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, stdout
    assert git(service, "rev-list", "--count", f"HEAD..{BRANCH}") == "1"
