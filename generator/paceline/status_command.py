"""The command ``status``: examine, show, and end with a status that a workflow can act on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paceline.origin import absolute
from paceline.stopping import stopping
from paceline.terminal import FAILED, NEEDS_A_PERSON, Json, MovedTemplate, console_for, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paceline.status import Status


def status(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="The services' directories; else the current one.", show_default=False),
    ] = None,
    *,
    ref: Annotated[
        str | None,
        typer.Option(
            "--ref",
            metavar="VERSION",
            help="Compare with this tag or commit of the template; else with this command's own version where the"
            " template has it, else with the template's newest.",
        ),
    ] = None,
    url: MovedTemplate = None,
    as_json: Json = False,
) -> None:
    """Show how services stand to their template: versions behind, changed files, edited answers, the plan.

    Writes nothing. Ends with 0 when all are current and clean (files that were changed or deleted alone are no
    fault), with 3 when one is behind, has answers that were edited by hand, or a plan that does not fit, and with 1
    when one could not be examined. In a shallow clone, answers that were edited by hand may not be found; it says so.
    """
    from paceline.status import examine

    console = console_for(as_json=as_json)
    places = list(dict.fromkeys(directories or [Path()]))
    with stopping("Stopped; nothing was changed."), console.status("") as line:
        address = absolute(url) if url else None
        statuses = examine(places, ref=ref, url=address, announce=lambda place: line.update(f"Examining {place}"))
    if as_json:
        print_json([found.as_dict() for found in statuses])
    else:
        _show(statuses)
    raise typer.Exit(_exit_status(statuses))


def _show(statuses: "Sequence[Status]") -> None:
    from paceline.status_display import show_statuses

    show_statuses(console_for(as_json=False), statuses)


def _exit_status(statuses: "Sequence[Status]") -> int:
    if any(found.problem is not None for found in statuses):
        return FAILED
    return NEEDS_A_PERSON if any(found.needs_a_person for found in statuses) else 0
