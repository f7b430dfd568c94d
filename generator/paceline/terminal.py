"""What the commands share: options, exit statuses, where they print, and how they run a service's checks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paceline import verification

if TYPE_CHECKING:
    from rich.console import Console

    from paceline.verification import Outcome


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]
MovedTemplate = Annotated[
    str | None, typer.Option("--template", metavar="URL", help="Where the template is now, when it has moved.")
]

# Exit statuses beside 0, and 2 for a command that was not understood.
FAILED = 1
NEEDS_A_PERSON = 3


def run_checks(service: Path, console: "Console") -> list["Outcome"]:
    """Run a service's checks, and show each as it ends."""
    from paceline import display

    outcomes = []
    with display.progress(console) as announce:
        for outcome in verification.verify(service, announce=announce):
            display.show_outcome(console, outcome)
            outcomes.append(outcome)
    return outcomes


def status_of(outcomes: Sequence["Outcome"]) -> int:
    """The status of the first check that failed, as a shell states it."""
    failed = next((outcome.exit_status for outcome in outcomes if not outcome.passed), 0)
    return failed if failed >= 0 else 128 - failed


def console_for(*, as_json: bool) -> "Console":
    """Where a command shows things: stdout, unless that is kept for JSON."""
    from rich.console import Console

    return Console(stderr=as_json, highlight=False)


def print_notes(notes: Sequence[str]) -> None:
    """Tell the user something that does not end the command."""
    for note in notes:
        typer.echo(f"Note: {note}", err=True)


def print_json(result: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Print a command's result for machines."""
    typer.echo(json.dumps(result, indent=2))
