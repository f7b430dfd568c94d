"""How the update of a fleet looks on a terminal."""

import contextlib
import shlex
from collections import Counter
from collections.abc import Callable, Generator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from paceline.display import print_table, show_section
from paceline.fleet import Member, Outcome
from paceline.update_report import Report, Result

STYLES = {"conflicts": "yellow", "failed": "bold red", "checks failed": "bold red", "updated": "green"}


@contextlib.contextmanager
def progress(total: int) -> Generator[Callable[[Outcome], None]]:
    """A bar that each outcome moves on, on stderr and on a terminal only, until the block is left."""
    console = Console(stderr=True, highlight=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda outcome: bar.update(task, advance=1, description=f"{outcome.member.name}: {outcome.result}")


def show_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The notes on the versions, a table of all services, what to know of each, how to finish, and the sum."""
    _show_upgrade_notes(console, outcomes)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Service", no_wrap=True)
    table.add_column("Version", no_wrap=True)
    table.add_column("Result", no_wrap=True)
    # A line for each service, however long, where nobody reads along.
    table.add_column("Branch, or why not", overflow="fold", no_wrap=not console.is_terminal)
    for outcome in outcomes:
        result = Text(outcome.result, style=STYLES.get(outcome.result, ""))
        versions = "" if outcome.report is None else outcome.report.versions
        table.add_row(Text(outcome.member.name), versions, result, Text(_branch_or_reason(outcome)))
    print_table(console, table)
    for outcome in outcomes:
        _show_details(console, outcome)
    for outcome in outcomes:
        if outcome.report is not None and outcome.report.result is Result.CONFLICTS:
            console.out(f"\n{_how_to_finish(outcome.member, outcome.report)}", highlight=False)
    console.out(f"\n{_sum(outcomes)}", highlight=False)


def _show_upgrade_notes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """What the template says of the versions in between: once, however many services come the same way."""
    reports = (outcome.report for outcome in outcomes if outcome.report is not None)
    found = dict.fromkeys((report.versions, report.upgrade_notes) for report in reports if report.upgrade_notes)
    for versions, notes in found:
        console.print(Text(f"Upgrade notes, {versions}", style="bold"), soft_wrap=True)
        console.out("\n".join(f"  {line}".rstrip() for line in notes.splitlines()) + "\n", highlight=False)


def _show_details(console: Console, outcome: Outcome) -> None:
    show_section(console, outcome.member.name, [] if outcome.report is None else _details(outcome.report))


def _details(report: Report) -> list[str]:
    """What somebody must know of a service before its branch is merged and deployed."""
    required = [setting.variable for setting in report.required_settings]
    lost = f"Deleted, though they were edited here: {', '.join(report.lost_edits)}"
    to_set = f"Must be set before deploying: {', '.join(required)}"
    return [*([lost] if report.lost_edits else []), *([to_set] if required else []), *report.notes]


def _branch_or_reason(outcome: Outcome) -> str:
    report = outcome.report
    if report is None:
        return outcome.reason
    if outcome.is_failed:
        failed = [f"{check['name']} with status {check['exit_status']}" for check in report.checks]
        failed = [line for line, check in zip(failed, report.checks, strict=True) if check["exit_status"]]
        return ", ".join(failed)
    if report.conflicts:
        return ", ".join(report.conflicts)
    if report.result is Result.REHEARSED:
        return f"would change {_count(len(report.changed_files), 'file')}"
    pushed = f" (on {report.pushed_to})" if report.pushed_to else ""
    return f"{report.branch}{pushed}" if report.branch else ""


def _how_to_finish(member: Member, report: Report) -> str:
    if report.worktree is not None:
        place = shlex.quote(str(report.worktree))
        return (
            f"{member.name}: both sides are in the files in {place}; resolve them there, then run"
            f" `paceline update --continue {place}` (or `--abort`). The service is as it was."
        )
    update = f"paceline update {shlex.quote(member.directory.as_posix())} --ref {shlex.quote(report.version_after)}"
    branch = f", on its branch {member.branch}" if member.branch else ""
    return (
        f"{member.name}: nothing was pushed. In a clone of your own{branch}, run `{update}` with the other options of"
        f" this run, resolve the files, finish with `--continue`, and push {report.branch}."
    )


def _sum(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.result for outcome in outcomes)
    found = ", ".join(f"{count} {result}" for result, count in counts.most_common())
    return f"{_count(len(outcomes), 'service')}: {found}."


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
