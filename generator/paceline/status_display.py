"""How the status of services looks on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from paceline.display import print_table
from paceline.hand_edits import HOW_TO_MEND
from paceline.status import Status


def show_statuses(console: Console, statuses: Sequence[Status]) -> None:
    """A line for each service; what is wrong with each, as sentences; of a single one also the files that differ."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("Service", "Directory", "Version", "Behind", "Files", "Answers", "Plan"):
        table.add_column(title, no_wrap=not console.is_terminal)
    for status in statuses:
        cells = (status.name, str(status.directory), status.version or "unknown", *_findings(status))
        table.add_row(*(Text(cell) for cell in cells))
    print_table(console, table)
    is_single = len(statuses) == 1
    if is_single:
        _show_drift(console, statuses[0])
    whose = {status.directory: "" if is_single else f"{status.directory}: " for status in statuses}
    sentences = [whose[status.directory] + sentence for status in statuses for sentence in _sentences(status)]
    if any(status.hand_edits for status in statuses):
        sentences.append(HOW_TO_MEND)
    for sentence in sentences:
        console.out(f"\n{sentence}", highlight=False)


def _findings(status: Status) -> tuple[str, str, str, str]:
    if status.problem is not None:
        return "not examined", "", "", ""
    return (
        _distance(status),
        _drift(status),
        _answers(status),
        "fits" if status.plan_problem is None else "does not fit",
    )


def _distance(status: Status) -> str:
    if status.is_newer:
        return f"newer than {status.target}"
    if not status.is_behind:
        return "no"
    number, unit = (status.versions_behind, "version") if status.versions_behind else (status.commits_behind, "commit")
    return f"{number} {unit}{'' if number == 1 else 's'} ({status.target})"


def _drift(status: Status) -> str:
    if status.drift is None:
        return "not known"
    counts = {"changed": len(status.drift.changed), "deleted": len(status.drift.deleted)}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "as made"


def _answers(status: Status) -> str:
    if status.hand_edits:
        return f"{len(status.hand_edits)} edited by hand"
    return "as made" if status.answers_problem is None else "not known"


def _show_drift(console: Console, status: Status) -> None:
    if status.drift is None or not (status.drift.changed or status.drift.deleted):
        return
    lines = [f"  changed   {file}" for file in status.drift.changed]
    lines += [f"  deleted   {file}" for file in status.drift.deleted]
    console.print(Text("\nFiles that the template made otherwise", style="bold"), soft_wrap=True)
    console.out("\n".join(lines), highlight=False)


def _sentences(status: Status) -> list[str]:
    found = [edit.reason for edit in status.hand_edits]
    problems = (status.answers_problem, status.plan_problem, status.problem)
    return found + [sentence for sentence in problems if sentence is not None]
