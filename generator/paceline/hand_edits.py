"""Answers that somebody wrote into the answers file: the service's files were made with others.

The next update would start from files that the service never had, and silently leave out what the edit was for.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from paceline import git
from paceline.answers import ANSWERS_FILE, parse_answers_file
from paceline.drift import Renderings, content, files_of
from paceline.errors import BrokenTemplateError, InvalidAnswerError, PacelineError
from paceline.service import Service
from paceline.snapshot import Snapshot
from paceline.update_report import text_at

HOW_TO_MEND = (
    "An update starts from the answers that the files were made with: put those back into the answers file and commit"
    " that, then change them with `paceline update --set NAME=VALUE`."
)
SHALLOW = (
    "The history is shallow, so answers that were edited by hand before it begins cannot be told from files that were"
    " changed; fetch all of it (`git fetch --unshallow`; in a workflow fetch-depth: 0)."
)


@dataclass(frozen=True, kw_only=True)
class HandEdit:
    """An answer that the service was not made with."""

    name: str
    written: Any
    """What the answers file says; None where it says nothing."""
    rendered: Any
    """With what the files were made; None where that is not known, and where it was not answered."""
    reason: str
    """The finding as a sentence."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found of a service's answers."""

    edits: Sequence[HandEdit]
    accepted: Mapping[str, Any]
    """What the answers file says, without what the recorded version refuses."""
    rendered: Mapping[str, Any]
    """With what the files were made, as far as that can be known."""
    limit: str | None
    """Why there may be edits that were not found, as a sentence."""


class _Verdict(Enum):
    FORMER = "the files were made with the former answers"
    LATER = "the files were made with the later answers"
    REFUSED = "a rule refuses the later answers, with which nothing can have been made"
    UNDECIDED = "the files tell neither"


@dataclass(frozen=True, kw_only=True)
class _Change:
    """The answers file before and after a commit, or before and after what is not committed."""

    former: Mapping[str, Any]
    later: Mapping[str, Any]
    is_committed: bool

    @property
    def names(self) -> list[str]:
        names = {**self.former, **self.later}
        return [name for name in names if not name.startswith("_") and self.former.get(name) != self.later.get(name)]

    @property
    def is_update(self) -> bool:
        """Whether the version has changed too, so that an update wrote the answers."""
        return self.former.get("_commit") != self.later.get("_commit")


def find_hand_edits(service: Service, renderings: Renderings) -> Findings:
    """Tell from the history of the answers, and from the files, which answers were written by hand.

    ``renderings`` are of the version that the service has recorded. Raises :class:`BrokenTemplateError`.
    """
    foreign = [name for name in service.answers if name not in renderings.names]
    known = {name: answer for name, answer in service.answers.items() if name in renderings.names}
    edits = [_foreign(service, name) for name in foreign]
    rendered, from_history = _read_history(service, renderings, known)
    accepted, refused = _sift(service, renderings, known)
    if not from_history:
        rendered = accepted
    # A rule often refuses another answer than the edited one, which the history tells.
    return Findings(
        edits=[*edits, *(from_history or refused)],
        accepted=accepted,
        rendered=rendered,
        limit=SHALLOW if _is_shallow(service.directory) else None,
    )


def check_answers_are_as_made(service: Service, snapshot: Snapshot, recorded: str) -> None:
    """Raise :class:`PacelineError` for answers that were edited by hand, of which an update would know nothing.

    ``recorded`` is the commit of the template that the service has recorded. It is rendered only where the history has
    a change of the answers that may be such an edit.
    """
    if not _may_be_edited(service):
        return
    with tempfile.TemporaryDirectory(prefix="paceline-answers-", ignore_cleanup_errors=True) as root:
        edits = find_hand_edits(service, Renderings(snapshot.export(recorded), Path(root))).edits
    if edits:
        raise PacelineError(" ".join([*(edit.reason for edit in edits), HOW_TO_MEND]))


def _may_be_edited(service: Service) -> bool:
    """Whether an answer has last changed while the version of the template stayed."""
    settled: set[str] = set()
    for change in _changes(service):
        names = set(change.names) - settled
        if names and not change.is_update:
            return True
        settled |= names
    return False


def _read_history(
    service: Service, renderings: Renderings, answers: Mapping[str, Any]
) -> tuple[dict[str, Any], list[HandEdit]]:
    """Go back through the changes of the answers until each was once confirmed or refuted by the files."""
    rendered = dict(answers)
    settled: set[str] = set()
    for change in _changes(service):
        names = [name for name in change.names if name in renderings.names and name not in settled]
        if not names:
            continue
        former = _with_former(rendered, change, names)
        verdict = _Verdict.LATER if change.is_update else _judge(renderings, former, rendered, service.directory)
        if verdict in (_Verdict.FORMER, _Verdict.LATER):
            settled.update(names)
        # Where nothing speaks for the later answers; older changes may yet tell that the former were no better.
        is_unproven = verdict is _Verdict.REFUSED or (verdict is _Verdict.UNDECIDED and not change.is_committed)
        if verdict is _Verdict.FORMER or is_unproven:
            rendered = former
    edited = [name for name in {**answers, **rendered} if rendered.get(name) != answers.get(name)]
    return rendered, [_edit(name, answers.get(name), rendered.get(name)) for name in edited]


def _changes(service: Service) -> Iterator[_Change]:
    """The changes of the answers, the last one first, as far as the history goes."""
    directory = service.directory
    committed = _answers_at(directory, "HEAD")
    if committed is not None:
        now = {**service.answers, "_commit": service.version}
        yield _Change(former=committed, later=now, is_committed=False)
    # With the parents that have changed the file too, so that merges stand between what they merge.
    listed = git.run(directory, "rev-list", "--parents", "HEAD", "--", ANSWERS_FILE)
    for line in listed.stdout.splitlines():
        commit, *parents = line.split()
        later = _answers_at(directory, commit)
        for parent in parents:
            former = _answers_at(directory, parent)
            if former is not None and later is not None:
                yield _Change(former=former, later=later, is_committed=True)


def _is_shallow(directory: Path) -> bool:
    return git.git(directory, "rev-parse", "--is-shallow-repository") == "true"


def _answers_at(directory: Path, commit: str) -> dict[str, Any] | None:
    """The answers file at a commit; None where it is not or says nothing."""
    text = text_at(directory, commit, ANSWERS_FILE)
    try:
        return parse_answers_file(text or "", directory / ANSWERS_FILE) or None
    except PacelineError:
        return None


def _with_former(answers: Mapping[str, Any], change: _Change, names: Sequence[str]) -> dict[str, Any]:
    kept = {name: answer for name, answer in answers.items() if name not in names}
    return kept | {name: change.former[name] for name in names if name in change.former}


def _judge(renderings: Renderings, former: Mapping[str, Any], later: Mapping[str, Any], service: Path) -> _Verdict:
    """Ask the files that the answers make different with which of them they were made."""
    try:
        before = renderings.of(former)
    except PacelineError:
        return _Verdict.UNDECIDED
    try:
        after = renderings.of(later)
    except BrokenTemplateError:
        return _Verdict.UNDECIDED
    except PacelineError:
        return _Verdict.REFUSED
    contents = {
        file: (content(before.directory, file), content(after.directory, file), content(service, file))
        for file in sorted({*files_of(before), *files_of(after)})
    }
    differing = [found for found in contents.values() if found[0] != found[1]]
    # That a file is missing which the later answers add says little: it may have been deleted.
    telling = [found for found in differing if found[0] is not None]
    if telling:
        is_former = any(there == old for old, _, there in telling)
    else:
        is_former = bool(differing) and all(there is None for _, _, there in differing)
    if is_former:
        return _Verdict.FORMER
    return _Verdict.LATER if any(there == new for _, new, there in differing) else _Verdict.UNDECIDED


def _sift(
    service: Service, renderings: Renderings, answers: Mapping[str, Any]
) -> tuple[dict[str, Any], list[HandEdit]]:
    """Leave out the answers that the rules refuse, one after the other."""
    accepted, refused = dict(answers), []
    while True:
        try:
            renderings.of(accepted)
        except InvalidAnswerError as error:
            if error.question not in accepted:
                return accepted, refused
            refused.append(_refused(service, error, accepted.pop(error.question)))
        except BrokenTemplateError:
            raise
        except PacelineError:
            return accepted, refused
        else:
            return accepted, refused


def _edit(name: str, written: object, rendered: object) -> HandEdit:
    says = f"does not answer {name}" if written is None else f"says {name}: {written}"
    made = "without an answer to it" if rendered is None else f"with {rendered}"
    reason = f"{ANSWERS_FILE} {says}, but the files were made {made}."
    return HandEdit(name=name, written=written, rendered=rendered, reason=reason)


def _foreign(service: Service, name: str) -> HandEdit:
    written = service.answers[name]
    reason = f"{ANSWERS_FILE} says {name}: {written}, but {service.version} of the template does not ask for {name}."
    return HandEdit(name=name, written=written, rendered=None, reason=reason)


def _refused(service: Service, error: InvalidAnswerError, written: object) -> HandEdit:
    why = str(error).removesuffix(".")
    reason = (
        f"{ANSWERS_FILE} says {error.question}: {written}, which {service.version} of the template refuses ({why})."
    )
    return HandEdit(name=error.question, written=written, rendered=None, reason=reason)
