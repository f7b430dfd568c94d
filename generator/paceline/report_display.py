"""How the report of an update looks on a terminal."""

import shlex

from rich.console import Console
from rich.text import Text

from paceline.display import show_section
from paceline.update_report import Report, Result

LETTERS = {"A": "added", "D": "deleted", "M": "changed", "T": "changed", "U": "in conflict"}


def show_report(console: Console, report: Report) -> None:
    """What was done, what to know of it, and what to do next."""
    console.print(Text.assemble((report.name, "bold"), f"  {report.versions}"), soft_wrap=True)
    show_section(console, "Upgrade notes", report.upgrade_notes.splitlines())
    show_section(console, "Files", _files(report))
    show_section(console, "Answers", _answers(report))
    show_section(console, "Plan", _plan(report))
    show_section(console, "Settings", _settings(report))
    show_section(console, "Deleted, though they were edited here", _lost_edits(report))
    show_section(console, "Notes", report.notes)
    show_section(console, "Diff", report.diff.splitlines())
    console.out(f"\n{_next_step(report)}", highlight=False)


def _files(report: Report) -> list[str]:
    return [f"{LETTERS.get(letter, letter):<12}{file}" for file, letter in report.changed_files.items()]


def _answers(report: Report) -> list[str]:
    return [f"{name}: {_value(old)} → {_value(new)}" for name, (old, new) in report.changed_answers.items()]


def _value(answer: object) -> str:
    return "no answer" if answer is None else str(answer)


def _plan(report: Report) -> list[str]:
    before, after = report.plan_before, report.plan_after
    if not before or not after:
        return []
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name}: {before.get(name, 'none')} → {after.get(name, 'none')}" for name in names]


def _settings(report: Report) -> list[str]:
    added = []
    for setting in report.added_settings:
        need = "must be set before deploying" if setting in report.required_settings else f"default {setting.default}"
        added.append(f"new      {setting.variable} ({need}){': ' if setting.meaning else ''}{setting.meaning}")
    removed = [f"removed  {setting.variable}: no longer read" for setting in report.removed_settings]
    return added + removed


def _lost_edits(report: Report) -> list[str]:
    return [f"{file} (`git log -p -- {file}` has them)" for file in report.lost_edits]


def _next_step(report: Report) -> str:
    place = shlex.quote(str(report.worktree or report.directory))
    if report.result is Result.UP_TO_DATE:
        return "There is nothing to do." if report.notes else f"{report.name} is up to date."
    if report.result is Result.ON_BRANCH:
        return f"The branch {report.branch} has this already: merge it, or delete it to have it made anew."
    if report.result is Result.REHEARSED:
        found = f"It would leave conflicts in {', '.join(report.conflicts)}. " if report.conflicts else ""
        return f"{found}Nothing was changed."
    if report.result is Result.FAILED_CHECKS:
        kept = f"; its work is still in {place}" if report.worktree else ", and nothing was changed"
        return f"The service's checks fail with this update{kept}."
    if report.result is Result.CONFLICTS:
        return (
            f"{len(report.conflicts)} in conflict: {', '.join(report.conflicts)}. Both sides are in the files in"
            f" {place}:\nresolve them there, then run `paceline update --continue {place}`"
            f" (or `--abort`). {report.directory} is as it was."
        )
    return f"The branch {report.branch} has it in one commit. To take it: git merge {report.branch}"
