"""An update of one service: made in a worktree beside it, and kept as a branch with one commit, or not at all."""

import hashlib
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paceline import git, upgrading
from paceline.answers import ANSWERS_FILE
from paceline.dependency_lock import renew_lock
from paceline.errors import PacelineError
from paceline.origin import note_on_address, wanted_version
from paceline.preflight import Version, plan_after, plan_before
from paceline.questions import check_answers, read_questions
from paceline.remote import current_branch, find_remote, find_remote_branch, push_branch
from paceline.service import Service, check_is_committed, read_service, recorded_commit
from paceline.snapshot import MissingVersionError, Snapshot
from paceline.stopping import stopping
from paceline.unmergeable import check_can_be_merged
from paceline.update_report import (
    Report,
    Result,
    changed_answers,
    changed_files,
    changed_settings,
    conflicts_in,
)
from paceline.worktree import (
    Worktree,
    branch_name,
    check_branch_is_possible,
    find_branch,
    find_waiting,
    find_worktree,
    held,
    is_under_way,
    make_branch,
    new_worktree,
)

if TYPE_CHECKING:
    from paceline.verification import Outcome

NOTHING_CHANGED = "Stopped; nothing was changed."
SUBJECT_LENGTH = 80
# What a user never wants to see may still be a file of the template.
WITHOUT_IGNORES = ("-c", f"core.excludesFile={os.devnull}")
# Git converts ends of lines as the user has set up, whether or not that can be reversed.
WITHOUT_WARNINGS = ("-c", "core.safecrlf=false")

# Runs the service's checks in a directory.
Checks = Callable[[Path], Sequence["Outcome"]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: of one service, or of many alike."""

    ref: str | None = None
    """The template's version: a tag or a commit. None for that of this package, or, when answers are given, for
    the one that the service has."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Answers in place of stored ones."""
    suggested: Mapping[str, Any] = field(default_factory=dict)
    """Answers to questions that the service has not answered yet, in place of the template's defaults."""
    url: str | None = None
    """Where the template is now, when it has moved."""
    is_rehearsal: bool = False
    """Report what would be, and keep none of it."""
    suggested_in: str = "in the file of answers to new questions"
    """Where the suggested answers stand, for messages."""
    pushes: bool = False
    """Have the branch on the service's remote too. One that is there already counts as made."""


@dataclass(frozen=True, kw_only=True)
class _Update:
    """One service, and what both versions make of its answers."""

    service: Service
    request: Request
    snapshot: Snapshot
    commit_before: str
    commit_after: str
    version_after: str

    @property
    def has_moved(self) -> bool:
        return self.request.url is not None and self.snapshot.url != self.service.url

    @property
    def branch(self) -> str:
        return branch_name(self.service, _subject(self))

    def report(self, result: Result, **more: Any) -> Report:  # noqa: ANN401 - any of the report's fields
        return Report(
            name=self.service.name,
            directory=self.service.directory,
            version_before=self.service.version,
            version_after=self.version_after,
            branch=self.branch,
            result=result,
            **more,
        )


def update(service: Service, snapshot: Snapshot, request: Request, *, checks: Checks | None = None) -> Report:
    """Update a service from a snapshot of its template. Its own work tree and branch stay as they are.

    The result is a branch with one commit; or, after conflicts, a worktree that waits for :func:`finish`; or, when
    the checks fail and in a rehearsal, nothing. Raises :class:`PacelineError` when the update cannot be made, and
    when its branch, which is then there, cannot be pushed.
    """
    remote = find_remote(service) if request.pushes and not request.is_rehearsal else None
    report = _update(service, snapshot, request, remote, checks)
    if remote is None or report.result not in (Result.UPDATED, Result.ON_BRANCH):
        return report
    return _push(service, remote, report)


def _push(service: Service, remote: str, report: Report) -> Report:
    with stopping(f"Stopped; the branch {report.branch} may not have been pushed."):
        push_branch(service, remote, str(report.branch))
    return replace(report, pushed_to=remote, base=current_branch(service))


def _update(
    service: Service, snapshot: Snapshot, request: Request, remote: str | None, checks: Checks | None
) -> Report:
    with stopping(NOTHING_CHANGED) as begin_cleaning:
        change = _prepare(service, snapshot, request)
        if _is_done(change):
            if request.given:
                _check_answers_are_as_made(change)
            stays = [f"These answers are stored already; {service.name} stays at {service.version}."]
            return replace(change.report(Result.UP_TO_DATE), branch=None, notes=stays if request.given else [])
        check_is_committed(service)
        if not request.is_rehearsal and _is_made(change, remote):
            return change.report(Result.ON_BRANCH)
        waiting = find_waiting(service, change.branch)
        if waiting is not None:
            return Report.from_dict(waiting.notes()["report"])
        check_branch_is_possible(service, change.branch)
        before, after = _plans(change)
        _check_answers_are_as_made(change)
        report = change.report(Result.REHEARSED, plan_before=before, plan_after=after, upgrade_notes=_notes(change))
        with new_worktree(service, change.branch) as worktree:
            try:
                report = _make(change, worktree, report, remote, checks)
            finally:
                begin_cleaning()
            if report.result is Result.UPDATED:
                make_branch(worktree)
    return report


def finish(directory: Path, *, checks: Checks | None = None) -> Report:
    """Make the branch of an update whose conflicts were resolved in its worktree.

    ``directory`` is the service's, or the one in the worktree, which stays when the checks fail. Raises
    :class:`PacelineError` while conflicts are left.
    """
    service = read_service(directory)
    worktree = find_worktree(service)
    notes = worktree.notes()
    report = Report.from_dict(notes["report"])
    left = [file for file in report.conflicts if _has_markers(worktree.directory / file)]
    if left:
        place = shlex.quote(str(worktree.directory))
        raise PacelineError(
            f"{', '.join(left)} in {worktree.directory} still has conflict markers (<<<<<<<, >>>>>>>); choose what"
            f" holds, remove the markers, and run `paceline update --continue {place}` again."
        )
    with stopping("Stopped; the update still waits.") as begin_cleaning, held(worktree):
        done = _complete(worktree, notes["base"], notes["message"], replace(report, conflicts=()), checks)
        begin_cleaning()
        if done.result is not Result.UPDATED:
            return done
        make_branch(worktree)
        worktree.remove()
    done = replace(done, worktree=None)
    # The directory that was named may have been the one in the worktree.
    lasting = replace(service, repository=worktree.repository)
    return _push(lasting, notes["remote"], done) if notes["remote"] else done


def awaits_checks(directory: Path) -> bool:
    """Whether the update that waits was begun on condition that the service's checks pass."""
    return find_worktree(read_service(directory)).notes()["awaits_checks"]


def abandon(directory: Path) -> Path:
    """Remove the worktree that an update has left, and return where it was. The service stays as it is."""
    worktree = find_worktree(read_service(directory))
    if is_under_way(worktree):
        raise PacelineError(f"The update in {worktree.root} is under way; stop the command that makes it.")
    worktree.remove()
    if worktree.root.exists():
        raise PacelineError(f"{worktree.root} cannot be removed; see whether another program uses it, and try again.")
    return worktree.root


def _prepare(service: Service, snapshot: Snapshot, request: Request) -> _Update:
    before = recorded_commit(service, snapshot)
    is_retuned_only = request.ref is None and request.given
    after = before if is_retuned_only else _resolve(snapshot, request.ref)
    version_after = snapshot.describe(after)
    if before != after and snapshot.contains(before, ancestor=after):
        raise PacelineError(
            f"{service.name} is at {service.version}, which is newer than {version_after}; upgrade paceline, or name a"
            " newer version of the template with --ref."
        )
    return _Update(
        service=service,
        request=request,
        snapshot=snapshot,
        commit_before=before,
        commit_after=after,
        version_after=version_after,
    )


def _resolve(snapshot: Snapshot, ref: str | None) -> str:
    try:
        return snapshot.resolve(wanted_version(ref))
    except MissingVersionError as error:
        whose = "you asked for" if ref else "this paceline brings"
        raise PacelineError(f"{error} It is the version that {whose}; name another with --ref.") from error


def _is_done(change: _Update) -> bool:
    request, stored = change.request, change.service.answers
    questions = {
        question.name: question for question in read_questions(change.snapshot.export_questions(change.commit_after))
    }
    check_answers(questions.values(), request.given, source="given with --set")
    check_answers(questions.values(), request.suggested, source=request.suggested_in)
    is_as_given = all(
        name in stored and questions[name].means_the_same(stored[name], answer)
        for name, answer in request.given.items()
    )
    return change.commit_before == change.commit_after and is_as_given and not change.has_moved


def _check_answers_are_as_made(change: _Update) -> None:
    from paceline import hand_edits

    hand_edits.check_answers_are_as_made(change.service, change.snapshot, change.commit_before)


def _is_made(change: _Update, remote: str | None) -> bool:
    service, branch = change.service, change.branch
    found = [find_branch(service, branch), find_remote_branch(service, remote, branch) if remote else None]
    # One that was merged before is spent: what it brought was changed again.
    return any(commit and not _is_merged(service, commit) for commit in found)


def _is_merged(service: Service, commit: str) -> bool:
    return git.succeeds(service.repository, "merge-base", "--is-ancestor", commit, "HEAD")


def _subject(change: _Update) -> str:
    """What the branch is called after: the version, the answers that are given, or both."""
    answers = [f"{name}-{answer}" for name, answer in sorted(change.request.given.items())]
    if change.commit_before == change.commit_after and answers:
        words = ["set", *answers]
    else:
        words = ["update", change.version_after, *answers]
    wanted = "-".join(words)
    subject = re.sub(r"[^A-Za-z0-9._]+", "-", wanted).strip("-.")
    if subject == wanted and len(subject) <= SUBJECT_LENGTH:
        return subject
    # No two requests have one branch.
    return f"{subject[:SUBJECT_LENGTH].rstrip('-.')}-{hashlib.sha256(wanted.encode()).hexdigest()[:8]}"


def _notes(change: _Update) -> str:
    text = change.snapshot.read(change.commit_after, upgrading.FILE)
    return upgrading.notes_between(text, change.service.version, change.version_after)


def _plans(change: _Update) -> tuple[dict[str, str], dict[str, str]]:
    """The plans before and after. Raises for an answer that either version refuses."""
    service, request, snapshot = change.service, change.request, change.snapshot
    before = Version(template=snapshot.export_questions(change.commit_before), name=service.version)
    after = Version(template=snapshot.export_questions(change.commit_after), name=change.version_after)
    return plan_before(before, service.answers), plan_after(
        after, service.answers, request.given, suggested=request.suggested
    )


def _make(change: _Update, worktree: Worktree, report: Report, remote: str | None, checks: Checks | None) -> Report:
    from paceline import rendering

    base = git.git(worktree.root, "rev-parse", "HEAD")
    report = replace(report, notes=_notes_on_files(change, worktree.directory))
    if change.has_moved:
        _write_address(worktree, change.snapshot.url)
        unpublished = note_on_address(change.snapshot.url)
        report = replace(report, notes=[*report.notes, unpublished] if unpublished else report.notes)
    rendering.update(
        worktree.directory,
        change.snapshot,
        change.commit_after,
        given=change.request.given,
        suggested=change.request.suggested,
    )
    _stage_new_files(worktree.root)
    conflicts = conflicts_in(worktree.directory)
    report = _describe(worktree.directory, base, replace(report, conflicts=conflicts))
    report = replace(report, lost_edits=_lost_edits(change, worktree.directory, base, report))
    if change.request.is_rehearsal:
        return replace(report, diff=_diff(worktree, base), branch=None)
    message = _message(change, report)
    if conflicts:
        report = replace(report, result=Result.CONFLICTS, worktree=worktree.directory)
        notes = {"base": base, "message": message, "remote": remote, "awaits_checks": checks is not None}
        worktree.keep({**notes, "report": report.as_dict()})
        return report
    return _complete(worktree, base, message, report, checks)


def _complete(worktree: Worktree, base: str, message: str, report: Report, checks: Checks | None) -> Report:
    """Commit what is in the worktree, and say whether it passes the checks, so that its branch can be made."""
    note = renew_lock(worktree.directory, base)
    _stage(worktree.root)
    _commit(worktree.root, base, message)
    report = _describe(worktree.directory, base, replace(report, notes=[*report.notes, note] if note else report.notes))
    outcomes = checks(worktree.directory) if checks else ()
    report = replace(report, checks=[outcome.as_dict() for outcome in outcomes])
    if not all(outcome.passed for outcome in outcomes):
        return replace(report, result=Result.FAILED_CHECKS)
    return replace(report, result=Result.UPDATED)


def _stage_new_files(root: Path) -> None:
    """Stage what copier has added, also what the user's git would overlook; conflicts stay as they are."""
    new = git.lines(root, *WITHOUT_IGNORES, "ls-files", "--others", "--exclude-standard", "-z")
    if new:
        git.git(root, *git.WITHOUT_HOOKS, *WITHOUT_IGNORES, *WITHOUT_WARNINGS, "add", "--", *new)


def _stage(root: Path) -> None:
    """Stage all that there is, but for what the user's git overlooks, as editors leave it."""
    git.git(root, *git.WITHOUT_HOOKS, *WITHOUT_WARNINGS, "add", "--all")


def _commit(root: Path, base: str, message: str) -> None:
    # What an earlier attempt, or the new address of the template, has committed is part of the one commit.
    git.git(root, *git.WITHOUT_HOOKS, "reset", "--quiet", "--soft", base)
    identity = git.identity_settings(root)
    try:
        # Signed where the user signs, since some servers refuse what is not.
        git.git(root, *git.WITHOUT_HOOKS, *identity, "commit", "--quiet", "--allow-empty", "--message", message)
    except git.GitError as error:
        raise PacelineError(f"The update cannot be committed ({error}).") from error


def _describe(directory: Path, base: str, report: Report) -> Report:
    added, removed = changed_settings(directory, base)
    return replace(
        report,
        changed_files=changed_files(directory, base),
        changed_answers=changed_answers(directory, base),
        added_settings=added,
        removed_settings=removed,
    )


def _lost_edits(change: _Update, directory: Path, base: str, report: Report) -> list[str]:
    """Deleted files that were not as the template had made them."""
    from paceline.rendering import render

    deleted = [file for file, letter in report.changed_files.items() if letter == "D"]
    if not deleted:
        return []
    with tempfile.TemporaryDirectory(prefix="paceline-before-") as root:
        pristine = Path(root) / "service"
        render(change.snapshot.export(change.commit_before), pristine, change.service.answers)
        return [file for file in deleted if _blob(pristine, file) != _blob_at(directory, base, file)]


def _blob(directory: Path, file: str) -> str | None:
    """The name that git gives to a file's bytes; None where there is no file."""
    if not (directory / file).is_file():
        return None
    return git.git(directory, "hash-object", "--no-filters", "--", file)


def _blob_at(directory: Path, commit: str, file: str) -> str:
    return git.git(directory, "rev-parse", f"{commit}:./{file}")


def _notes_on_files(change: _Update, directory: Path) -> list[str]:
    template = change.snapshot.export(change.commit_after) / "template"
    changed = change.snapshot.changed_files(change.commit_before, change.commit_after)
    return check_can_be_merged(directory, change.service.directory, template=template, changed=changed)


def _write_address(worktree: Worktree, url: str) -> None:
    """Store the template's new address, by which copier is to find both versions."""
    file = worktree.directory / ANSWERS_FILE
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r"(?m)^_src_path:.*(?:\n[ \t].*)*$", lambda _: f"_src_path: {url}", text), encoding="utf-8")
    _stage(worktree.root)
    _commit(worktree.root, "HEAD", "Name the template's new address")


def _diff(worktree: Worktree, base: str) -> str:
    git.git(worktree.root, *WITHOUT_IGNORES, *WITHOUT_WARNINGS, "add", "--all")
    return git.git(worktree.directory, "diff", *git.PLAIN_DIFF, "--cached", "--relative", base, "--", ".")


def _message(change: _Update, report: Report) -> str:
    """What is committed says what to know before merging, wherever the branch goes."""
    to_set = [f"Set {setting.variable} before deploying." for setting in report.required_settings]
    lost = [f"{file} is deleted, though it was edited here." for file in report.lost_edits]
    return "\n".join([_what_is_done(change), *to_set, *lost])


def _what_is_done(change: _Update) -> str:
    request, service = change.request, change.service
    answers = [f"{name} to {answer}" for name, answer in sorted(request.given.items())]
    if change.commit_before == change.commit_after:
        subject = f"Set {' and '.join(answers)}" if answers else "Name the template's new address"
        return f"{subject}\n\nRendered again by {change.version_after} of the template."
    set_too = f" With {' and '.join(answers)}." if answers else ""
    return f"Update {service.name} to {change.version_after} of its template\n\nIt was at {service.version}.{set_too}"


def _has_markers(file: Path) -> bool:
    if not file.is_file():
        return False
    return any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in file.read_bytes().splitlines())
