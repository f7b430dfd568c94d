"""The command ``update``: one service with its whole report, or many."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paceline import verification
from paceline.answers import parse_pairs, read_answers
from paceline.errors import UsageError
from paceline.fleet_command import update_fleet
from paceline.origin import absolute
from paceline.service import read_service
from paceline.snapshot import take_snapshot
from paceline.stopping import stopping
from paceline.terminal import FAILED, NEEDS_A_PERSON, Json, MovedTemplate, console_for, print_json, run_checks
from paceline.update_report import Report, Result

if TYPE_CHECKING:
    from paceline.fleet import Fleet
    from paceline.updating import Checks, Request


def update(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="The service's directory, else this one; several are updated at once."),
    ] = None,
    *,
    fleet: Annotated[
        Path | None, typer.Option("--fleet", metavar="FILE", help="Update the services that a TOML file names.")
    ] = None,
    ref: Annotated[
        str | None,
        typer.Option(
            "--ref", metavar="VERSION", help="A tag or a commit of the template; else this command's own version."
        ),
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a stored answer, without another version unless --ref names one; may be given many times.",
        ),
    ] = None,
    suggested: Annotated[
        Path | None,
        typer.Option(
            "--answers", metavar="FILE", help="Answers to new questions from a YAML file that services share."
        ),
    ] = None,
    url: MovedTemplate = None,
    verify: Annotated[bool, typer.Option("--verify", help="Keep it only if the service's own checks pass.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the report and the diff; keep nothing.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Push the branch to the service's remote.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, metavar="N", help="Of several services, so many at a time; else one per core."),
    ] = None,
    goes_on: Annotated[bool, typer.Option("--continue", help="Finish an update whose conflicts are resolved.")] = False,
    aborts: Annotated[bool, typer.Option("--abort", help="Remove what an unfinished update has left.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a version of the template, or other answers, into a service: on a branch, with one commit.

    Ends with 0 when that is done or was done before, with 3 when conflicts wait for a person, and with 1 when it, or
    one of several, has failed.
    """
    from paceline import updating

    options = [ref, answers, suggested, url, dry_run or None, push or None, jobs, (aborts and verify) or None]
    _check_options(goes_on=goes_on, aborts=aborts, others=options)
    services = _named(fleet, directories)
    if (goes_on or aborts) and (fleet or len(services.members) > 1):
        raise UsageError("--continue and --abort take one service; name its directory.")
    directory = services.members[0].directory
    if aborts:
        removed = updating.abandon(directory)
        if as_json:
            print_json({"removed": str(removed)})
        else:
            typer.echo(f"Removed {removed}; {directory} is as it was.")
        return
    console = console_for(as_json=as_json)
    verify = verify or (goes_on and updating.awaits_checks(directory))
    if verify:
        verification.find_uv()
    checks = (lambda service: run_checks(service, console)) if verify else None
    if goes_on:
        report = updating.finish(directory, checks=checks)
    else:
        suggested, address = suggested or services.answers, url or services.template
        request = updating.Request(
            ref=ref,
            given=dict(parse_pairs(answers or (), option="--set")),
            suggested=read_answers(suggested) if suggested else {},
            suggested_in=f"in {suggested}",
            url=absolute(address) if address else None,
            is_rehearsal=dry_run,
            pushes=push,
        )
        if fleet or len(services.members) > 1:
            raise typer.Exit(update_fleet(services.members, request, jobs=jobs, verifies=verify, as_json=as_json))
        report = _update(directory, request, checks)
    _show(report, as_json=as_json)
    raise typer.Exit(_status(report))


def _named(file: Path | None, directories: Sequence[Path] | None) -> "Fleet":
    from paceline.fleet import Fleet, Member
    from paceline.fleet_file import read_fleet

    if file is None:
        resolved = dict.fromkeys(directory.resolve() for directory in directories or [Path()])
        return Fleet(members=[Member(directory=directory) for directory in resolved])
    if directories:
        raise UsageError(f"{file} names the services to update; pass no directories beside --fleet.")
    return read_fleet(file)


def _check_options(*, goes_on: bool, aborts: bool, others: Sequence[Any]) -> None:
    if goes_on and aborts:
        raise UsageError("--continue finishes an update and --abort removes it; pass one of them.")
    if (goes_on or aborts) and any(other is not None for other in others):
        raise UsageError("--continue and --abort take an update as it was begun; pass no other option but --verify.")


def _update(directory: Path, request: "Request", checks: "Checks | None") -> Report:
    from paceline.updating import NOTHING_CHANGED
    from paceline.updating import update as update_service

    service = read_service(directory)
    with stopping(NOTHING_CHANGED) as begin_cleaning, take_snapshot(request.url or service.url) as snapshot:
        try:
            return update_service(service, snapshot, request, checks=checks)
        finally:
            begin_cleaning()


def _status(report: Report) -> int:
    if report.conflicts:
        return NEEDS_A_PERSON
    return FAILED if report.result is Result.FAILED_CHECKS else 0


def _show(report: Report, *, as_json: bool) -> None:
    from paceline.report_display import show_report

    if as_json:
        print_json(report.as_dict())
    else:
        show_report(console_for(as_json=False), report)
