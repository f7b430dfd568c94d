"""The questions, asked through a real terminal."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.observations import names_in

pexpect = pytest.importorskip("pexpect", reason="there are no pseudo-terminals here")

MAIN = "from paceline.cli import main; main()"
DOWN, ENTER, CONTROL_C = "\x1b[B", "\r", "\x03"
BACKSPACE = "\x7f"


@pytest.fixture
def terminal(checkout: Path, work: Path) -> Iterator[Callable[..., "pexpect.spawn[str]"]]:
    """Starts the command in a terminal."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "generator"),
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "TERM": "xterm",
    }
    started = []

    def start(*arguments: str) -> "pexpect.spawn[str]":
        child = pexpect.spawn(
            sys.executable,
            ["-c", MAIN, *arguments],
            cwd=str(work),
            env=environment,
            encoding="utf-8",
            timeout=120,
            dimensions=(60, 250),
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def answer(child: "pexpect.spawn[str]", question: str, keys: str = ENTER) -> None:
    child.expect_exact(question)
    child.send(keys)


def finish(child: "pexpect.spawn[str]") -> int:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_all_questions_are_answered_and_the_plan_is_confirmed(
    terminal: Callable[..., "pexpect.spawn[str]"], work: Path
) -> None:
    child = terminal("new", "my-orders")
    child.expect_exact("Name of the service")
    # The name is made of the directory's.
    answer(child, "My Orders")
    answer(child, "Database", DOWN + ENTER)
    for question in ("cached responses", "server processes", "slow work", "deployed", "CPU cores"):
        answer(child, question)
    answer(child, "most replicas", BACKSPACE + "50" + ENTER)
    answer(child, "Set the details too")
    answer(child, "Managed database")
    # PostgreSQL has a limit, and 50 replicas of one process fit into its default of 100.
    answer(child, "What the database server accepts", BACKSPACE * 3 + "30" + ENTER)
    child.expect_exact("50 web and 0 task processes need 50 connections, but only 25")
    child.send(BACKSPACE * 2 + "205" + ENTER)
    child.expect_exact("Plan of My Orders")
    child.expect_exact("205 - 5 reserved")
    assert names_in(work) != ["my-orders"]
    answer(child, "files to my-orders?")
    assert finish(child) == 0
    answers = (work / "my-orders" / ".copier-answers.yml").read_text()
    assert "max_connections: 205" in answers
    assert "replicas: 50" in answers
    assert names_in(work) == ["my-orders"]


def test_a_limit_is_asked_for_where_the_default_does_not_fit(
    terminal: Callable[..., "pexpect.spawn[str]"], work: Path
) -> None:
    child = terminal("new", "demo", "--preset", "api", "--replicas", "100", "--no-git")
    answer(child, "Name of the service")
    for question in ("deployed", "CPU cores", "Set the details too", "Managed database"):
        answer(child, question)
    answer(child, "What the database server accepts", "300" + ENTER)
    answer(child, "files to demo?")
    assert finish(child) == 0
    assert "max_connections: 300" in (work / "demo" / ".copier-answers.yml").read_text()


def test_a_plan_is_chosen_from_a_list_in_which_those_that_are_too_small_cannot_be(
    terminal: Callable[..., "pexpect.spawn[str]"], work: Path
) -> None:
    child = terminal("new", "demo", "--preset", "api", "--replicas", "20", "--no-git")
    answer(child, "Name of the service")
    for question in ("deployed", "CPU cores", "Set the details too"):
        answer(child, question)
    child.expect_exact("aiven-postgresql-free (20 connections)")
    child.expect_exact("40 connections are needed, but only 15 of 20 are usable")
    # The first two hold fewer than 40 processes, so one step leads to the third.
    child.send(DOWN + ENTER)
    child.expect_exact("Plan of Demo")
    child.expect_exact("100 - 5 reserved")
    answer(child, "files to demo?")
    assert finish(child) == 0
    assert "database_plan: aiven-postgresql-4" in (work / "demo" / ".copier-answers.yml").read_text()


def test_what_is_given_is_not_asked_and_declining_leaves_nothing(
    terminal: Callable[..., "pexpect.spawn[str]"], work: Path
) -> None:
    child = terminal("new", "some/demo", "--preset", "starter", "-d", "project_name=Given", "--cpu-cores", "2")
    answer(child, "deployed")
    assert "Database" not in child.before
    assert "Name of the service" not in child.before
    answer(child, "Set the details too")
    answer(child, "files to some/demo?", "n")
    child.expect_exact("Nothing was written.")
    assert finish(child) == 1
    assert names_in(work) == []


def test_a_name_that_is_taken_is_not_offered(terminal: Callable[..., "pexpect.spawn[str]"]) -> None:
    child = terminal("new", "fastapi")
    child.expect_exact("Name of the service")
    child.expect_exact("My Service")
    child.send(CONTROL_C)
    finish(child)


@pytest.mark.parametrize("question", ["Name of the service", "files to some/demo?"])
def test_control_c_at_a_question_leaves_nothing(
    terminal: Callable[..., "pexpect.spawn[str]"], work: Path, question: str
) -> None:
    child = terminal("new", "some/demo", "--preset", "starter", "--deployment-target", "compose")
    for earlier in ("Name of the service", "CPU cores", "Set the details too"):
        if question == earlier:
            break
        answer(child, earlier)
    answer(child, question, CONTROL_C)
    child.expect_exact("Stopped; nothing was written.")
    assert finish(child) == 130
    assert names_in(work) == []


def test_a_dry_run_asks_and_needs_no_confirmation(terminal: Callable[..., "pexpect.spawn[str]"], work: Path) -> None:
    child = terminal("new", "demo", "--preset", "starter", "--deployment-target", "compose", "--dry-run")
    for question in ("Name of the service", "CPU cores", "Set the details too"):
        answer(child, question)
    child.expect_exact("Nothing was written.")
    assert finish(child) == 0
    assert names_in(work) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_process_that_is_ended_at_a_question_leaves_nothing(
    terminal: Callable[..., "pexpect.spawn[str]"], work: Path, number: int, status: int
) -> None:
    child = terminal("new", "some/demo", "--preset", "starter")
    child.expect_exact("Name of the service")
    child.kill(number)
    child.expect_exact("Stopped; nothing was written.")
    assert finish(child) == status
    assert names_in(work) == []


def test_a_terminal_that_is_closed_at_a_question_leaves_nothing(
    terminal: Callable[..., "pexpect.spawn[str]"], work: Path
) -> None:
    child = terminal("new", "some/demo", "--preset", "starter")
    child.expect_exact("Name of the service")
    child.ptyproc.fileobj.close()
    # What is noticed first, the signal or that nothing can be read any more, depends on the moment.
    assert child.wait() in {129, 1, 2}
    assert names_in(work) == []
