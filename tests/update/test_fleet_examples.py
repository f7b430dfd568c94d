"""The example of a fleet: its files are read by the code that reads a user's, and its workflow does what it says."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import yaml

from matrix import ROOT
from paceline.answers import read_answers
from paceline.fleet import Member, Outcome
from paceline.fleet_file import read_fleet
from paceline.questions import check_answers, read_questions
from paceline.service_settings import Setting
from paceline.update_report import Report, Result
from rendered import program
from update.fleet_services import BRANCH

EXAMPLE = ROOT / "examples" / "fleet"
WORKFLOW = EXAMPLE / "update-services.yml"
URL = "https://github.com/acme/orders.git"

OpenPullRequests = Callable[..., list[list[str]]]


def test_the_fleet_is_read_and_its_answers_are_to_questions_of_the_template() -> None:
    fleet = read_fleet(EXAMPLE / "fleet.toml")
    assert [member.name for member in fleet.members] == ["acme/orders", "acme/shop services/billing"]
    assert fleet.answers
    answers = read_answers(fleet.answers)
    assert answers
    check_answers(read_questions(ROOT), answers, source="in the example")


@pytest.mark.parametrize(
    "command",
    [
        ["actionlint"],
        ["zizmor", "--offline", "--no-progress", "--quiet"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    ],
    ids=lambda command: command[0],
)
def test_the_workflow_passes(command: list[str]) -> None:
    name, *options = command
    done = subprocess.run([program(name), *options, WORKFLOW], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_uses_the_actions_that_services_use() -> None:
    of_services = (ROOT / "template" / ".github" / "workflows" / "ci.yml.jinja").read_text()
    used = [line.strip(" -") for line in WORKFLOW.read_text().splitlines() if " uses: " in line]
    assert used
    assert [line for line in used if line not in of_services] == []


def test_a_pull_request_is_opened_for_each_pushed_branch_and_says_what_to_know(
    open_pull_requests: OpenPullRequests, tmp_path: Path
) -> None:
    outcomes = [
        Outcome(member=Member(url=URL), report=_report(pushed_to="origin", base="main")),
        Outcome(member=Member(directory=Path("/here")), report=_report(pushed_to="origin", base="main")),
        Outcome(member=Member(url="https://github.com/acme/billing.git"), reason="It cannot be cloned."),
    ]
    calls = open_pull_requests(outcomes)
    repository = ["--repo", URL]
    assert calls[0] == f"pr list --repo {URL} --head {BRANCH} --state open --json number --jq length".split()
    title = ["--title", "Update Orders to v1.1.0 of its template"]
    assert calls[1:] == [
        ["pr", "create", *repository, "--base", "main", "--head", BRANCH, *title, "--body-file", "body.md"]
    ]
    body = (tmp_path / "body.md").read_text()
    assert body.startswith("Updates Orders from v1.0.0 to v1.1.0 of its template.\n\n## v1.1.0\n\nMind it.\n")
    assert "\n## To set before deploying\n\n- `API_KEY`: Known to callers.\n" in body
    assert "LIMIT" not in body
    assert "\n- `region`: no answer → `eu`\n" in body
    assert "\n- `app/legacy.py`\n" in body
    summary = (tmp_path / "summary").read_text().splitlines()
    assert summary == [
        f"- {URL}: updated",
        "- /here: updated",
        "- https://github.com/acme/billing.git: failed (It cannot be cloned.)",
    ]


def test_no_pull_request_is_opened_twice(open_pull_requests: OpenPullRequests) -> None:
    report = _report(pushed_to="origin", base="main", result=Result.ON_BRANCH)
    calls = open_pull_requests([Outcome(member=Member(url=URL), report=report)], found=1)
    assert [call[:2] for call in calls] == [["pr", "list"]]
    assert calls[0][calls[0].index("--state") + 1] == "all"


def test_a_pull_request_that_is_made_late_says_what_the_commit_says(
    open_pull_requests: OpenPullRequests, tmp_path: Path
) -> None:
    report = _late_report()
    calls = open_pull_requests([Outcome(member=Member(url=URL), report=report)])
    assert [call[:2] for call in calls] == [["pr", "list"], ["api", ANY], ["pr", "create"]]
    assert calls[1][1:] == [
        f"repos/{{owner}}/{{repo}}/commits/{BRANCH.replace('/', '%2F')}",
        *["--jq", ".commit.message"],
    ]
    assert calls[2][-2:] == ["--body-file", "body.md"]
    assert (tmp_path / "body.md").read_text() == f"The message of a commit in {URL}\n"


def test_no_pull_request_is_made_late_without_the_commits_message(open_pull_requests: OpenPullRequests) -> None:
    calls = open_pull_requests([Outcome(member=Member(url=URL), report=_late_report())], refuses=True, status=1)
    assert [call[:2] for call in calls] == [["pr", "list"], ["api", ANY]]


def test_one_pull_request_that_is_refused_does_not_keep_the_others_back(open_pull_requests: OpenPullRequests) -> None:
    pushed = _report(pushed_to="origin", base="main")
    members = [Member(url=f"https://github.com/acme/{name}.git") for name in ("orders", "billing")]
    outcomes = [Outcome(member=member, report=pushed) for member in members]
    calls = open_pull_requests(outcomes, refuses=True, status=1)
    assert [call[3] for call in calls if call[1] == "create"] == [member.url for member in members]


@pytest.fixture
def open_pull_requests(tmp_path: Path) -> OpenPullRequests:
    """Runs the workflow's last step on outcomes beside a stand-in for gh, and returns the calls of that."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["update"]["steps"]
    (tmp_path / "step.sh").write_text(steps[-1]["run"])
    calls = tmp_path / "calls"
    binaries = tmp_path / "binaries"
    binaries.mkdir()

    def run(outcomes: list[Outcome], *, found: int = 0, refuses: bool = False, status: int = 0) -> list[list[str]]:
        gh = binaries / "gh"
        refusal = "exit 1" if refuses else ""
        gh.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" '' >> '{calls}'\n"
            f'if [ "$2" = list ]; then echo {found}; exit; fi\n{refusal}\n'
            'if [ "$1" = api ]; then echo "The message of a commit in $GH_REPO"; fi\n'
        )
        gh.chmod(0o755)
        (tmp_path / "reports.json").write_text(json.dumps([outcome.as_dict() for outcome in outcomes]))
        done = subprocess.run(
            # As GitHub calls it.
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"],
            cwd=tmp_path,
            env={
                "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return [call.splitlines() for call in calls.read_text().strip().split("\n\n")]

    return run


def _late_report() -> Report:
    """Of a branch that an earlier run has made: it says of the update no more than the versions."""
    known: dict[str, Any] = {"pushed_to": "origin", "base": "main", "result": Result.ON_BRANCH}
    return _report(upgrade_notes="", added_settings=[], changed_answers={}, lost_edits=[], **known)


def _report(**more: Any) -> Report:  # noqa: ANN401 - any of the report's fields
    values: dict[str, Any] = {
        "name": "Orders",
        "directory": Path(),
        "version_before": "v1.0.0",
        "version_after": "v1.1.0",
        "result": Result.UPDATED,
        "branch": BRANCH,
        "upgrade_notes": "## v1.1.0\n\nMind it.",
        "added_settings": [
            Setting(variable="API_KEY", default=None, meaning="Known to callers."),
            Setting(variable="LIMIT", default="5", meaning=""),
        ],
        "changed_answers": {"region": (None, "eu")},
        "lost_edits": ["app/legacy.py"],
    }
    return Report(**values | more)
