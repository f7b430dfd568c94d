"""The update of a fleet as a command: a bar while it runs, then a table or JSON, and an exit status."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from paceline.errors import UsageError
from paceline.stopping import passing_on
from paceline.terminal import FAILED, NEEDS_A_PERSON, console_for, print_json

if TYPE_CHECKING:
    from paceline.fleet import Member, Outcome
    from paceline.updating import Request


def update_fleet(
    members: Sequence["Member"], request: "Request", *, jobs: int | None, verifies: bool, as_json: bool
) -> int:
    """Update all services, show what became of each, and return the exit status."""
    from paceline import fleet, fleet_display

    if not (request.pushes or request.is_rehearsal) and any(member.url for member in members):
        raise UsageError(
            "A service that is named by its URL is updated in a clone, which is removed afterwards; pass --push to have"
            " its branch pushed, or --dry-run to see what it would be."
        )
    checks = fleet.run_checks if verifies else None
    run = fleet.Run(members, request, jobs=jobs or os.cpu_count() or 1, checks=checks)
    found = {}
    with passing_on(run.stop) as signals, fleet_display.progress(len(members)) as show:
        for outcome in run.outcomes():
            found[outcome.member] = outcome
            show(outcome)
        outcomes = [found[member] for member in members]
    if as_json:
        print_json([outcome.as_dict() for outcome in outcomes])
    else:
        fleet_display.show_outcomes(console_for(as_json=False), outcomes)
    if signals:
        typer.echo("Stopped; the same command does what is left.", err=True)
        return 128 + signals[0]
    return _status(outcomes)


def _status(outcomes: Sequence["Outcome"]) -> int:
    if any(outcome.is_failed for outcome in outcomes):
        return FAILED
    return NEEDS_A_PERSON if any(outcome.result == "conflicts" for outcome in outcomes) else 0
