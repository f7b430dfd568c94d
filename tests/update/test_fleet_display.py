"""What a person reads after the update of a fleet."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from paceline.fleet import Member, Outcome
from paceline.fleet_display import show_outcomes
from paceline.service_settings import Setting
from paceline.update_report import Report, Result

NOTES = "## v1.1.0\n\nRun the migration first."


def test_what_must_be_known_of_a_service_follows_the_table() -> None:
    shown = _shown(
        [
            _outcome(
                "orders",
                lost_edits=["app/legacy.py", "app/old.py"],
                added_settings=[
                    Setting(variable="API_KEY", default=None, meaning="Known to callers."),
                    Setting(variable="LIMIT", default="5", meaning=""),
                    Setting(variable="REGION", default=None, meaning=""),
                ],
                notes=["uv.lock was left as it is."],
            ),
            _outcome("billing"),
            Outcome(member=Member(url="https://git.example.com/acme/lost.git"), reason="It cannot be cloned."),
        ]
    )
    assert shown.partition("It cannot be cloned.\n")[2] == (
        "\nacme/orders\n"
        "  Deleted, though they were edited here: app/legacy.py, app/old.py\n"
        "  Must be set before deploying: API_KEY, REGION\n"
        "  uv.lock was left as it is.\n"
        "\n3 services: 2 updated, 1 failed.\n"
    )


def test_a_rehearsal_and_a_conflict_say_what_is_lost_too() -> None:
    rehearsed = _outcome("orders", result=Result.REHEARSED, lost_edits=["app/legacy.py"])
    in_conflict = _outcome("billing", result=Result.CONFLICTS, conflicts=["README.md"], notes=["A note."])
    shown = _shown([rehearsed, in_conflict])
    assert "acme/orders\n  Deleted, though they were edited here: app/legacy.py\n" in shown
    assert "acme/billing\n  A note.\n" in shown


def test_upgrade_notes_are_shown_once_for_all_that_come_the_same_way() -> None:
    other = {"version_before": "v0.9.0", "upgrade_notes": f"{NOTES}\n\n## v1.0.0\n\nMind it."}
    shown = _shown(
        [
            _outcome("orders", upgrade_notes=NOTES),
            _outcome("billing", upgrade_notes=NOTES),
            _outcome("shop", **other),
            _outcome("stock"),
        ]
    )
    assert shown.startswith("Upgrade notes, v1.0.0 → v1.1.0\n  ## v1.1.0\n\n  Run the migration first.\n\n")
    assert shown.count("Upgrade notes, v1.0.0 → v1.1.0") == 1
    assert shown.count("Upgrade notes, v0.9.0 → v1.1.0") == 1
    assert shown.count("Mind it.") == 1


def test_a_fleet_of_which_there_is_nothing_to_know_has_a_table_and_the_sum() -> None:
    shown = _shown([_outcome("orders")])
    assert [line.split()[0] for line in shown.splitlines() if line] == ["Service", "acme/orders", "1"]


def _shown(outcomes: Sequence[Outcome]) -> str:
    page = io.StringIO()
    show_outcomes(Console(file=page, highlight=False), outcomes)
    return page.getvalue()


def _outcome(service: str, **more: Any) -> Outcome:  # noqa: ANN401 - any of the report's fields
    values: dict[str, Any] = {
        "name": service,
        "directory": Path(),
        "version_before": "v1.0.0",
        "version_after": "v1.1.0",
        "result": Result.UPDATED,
        "branch": "paceline/update-v1.1.0",
    }
    member = Member(url=f"https://git.example.com/acme/{service}.git")
    return Outcome(member=member, report=Report(**values | more))
