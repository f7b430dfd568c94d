"""How services stand to their templates: behind, changed by their people, answered by hand, short of connections.

Reads only: neither a service nor its repository is written to.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paceline.drift import Drift, Renderings, find_drift
from paceline.errors import BrokenTemplateError, PacelineError
from paceline.hand_edits import HandEdit, find_hand_edits
from paceline.origin import own_version
from paceline.preflight import Version, plan_after, plan_in_words
from paceline.service import Service, read_service, recorded_commit
from paceline.snapshot import MissingVersionError, Snapshot, take_snapshot


@dataclass(frozen=True, kw_only=True)
class Status:
    """What was found of one service."""

    directory: Path
    """As it was named."""
    name: str
    version: str | None = None
    """The template's that the service was last rendered with; None where that is not known."""
    target: str | None = None
    """The template's that it is compared with."""
    versions_behind: int = 0
    """Released versions after the service's, up to the target."""
    commits_behind: int = 0
    is_newer: bool = False
    """Whether the service's version comes after the target."""
    drift: Drift | None = None
    """None where the files that the template makes of the answers cannot be known."""
    hand_edits: Sequence[HandEdit] = ()
    answers_problem: str | None = None
    """Why answers may have been edited by hand that were not found."""
    plan_problem: str | None = None
    """Why the stored answers make no plan that fits, in the service's version or in the target."""
    problem: str | None = None
    """Why the service could not be examined."""

    @property
    def is_behind(self) -> bool:
        """Whether the target has commits that the service's version does not have."""
        return self.commits_behind > 0

    @property
    def needs_a_person(self) -> bool:
        """Whether something is to be done. Drift is how services live, and alone no reason."""
        return self.is_behind or bool(self.hand_edits) or self.plan_problem is not None

    def as_dict(self) -> dict[str, Any]:
        """The status for machines."""
        return {
            "name": self.name,
            "directory": str(self.directory),
            "version": self.version,
            "target": self.target,
            "versions_behind": self.versions_behind,
            "commits_behind": self.commits_behind,
            "is_newer": self.is_newer,
            "changed_files": None if self.drift is None else list(self.drift.changed),
            "deleted_files": None if self.drift is None else list(self.drift.deleted),
            "hand_edited_answers": [
                {
                    "name": edit.name,
                    "written": _for_json(edit.written),
                    "rendered": _for_json(edit.rendered),
                    "reason": edit.reason,
                }
                for edit in self.hand_edits
            ],
            "answers_problem": self.answers_problem,
            "plan_fits": None if self.problem else self.plan_problem is None,
            "plan_problem": self.plan_problem,
            "problem": self.problem,
        }


def examine(
    directories: Iterable[Path], *, ref: str | None, url: str | None, announce: Callable[[Path], object]
) -> list[Status]:
    """Examine services, each template fetched once; one that cannot be examined does not stop the others.

    ``ref`` and ``url`` are the version to compare with and the template's address, where they are not those of this
    package and of the service. ``announce`` is called as each service begins.
    """
    found: dict[Path, Status] = {}
    services: dict[Path, Service] = {}
    for directory in directories:
        try:
            services[directory] = read_service(directory)
        except (PacelineError, OSError) as error:
            found[directory] = _not_examined(directory, error)
    for address in dict.fromkeys(url or service.url for service in services.values()):
        of_template = {place: service for place, service in services.items() if (url or service.url) == address}
        try:
            with take_snapshot(address) as snapshot:
                target = snapshot.resolve(_target(snapshot, ref))
                for directory, service in of_template.items():
                    announce(directory)
                    found[directory] = _examine(directory, service, snapshot, target)
        except (PacelineError, OSError) as error:
            for directory, service in of_template.items():
                found.setdefault(directory, _not_examined(directory, error, service))
    return [found[directory] for directory in directories]


def _examine(directory: Path, service: Service, snapshot: Snapshot, target: str) -> Status:
    try:
        with tempfile.TemporaryDirectory(prefix="paceline-status-", ignore_cleanup_errors=True) as root:
            return _compare(directory, service, snapshot, target, Path(root))
    except (PacelineError, OSError) as error:
        return _not_examined(directory, error, service)


def _compare(directory: Path, service: Service, snapshot: Snapshot, target: str, root: Path) -> Status:
    recorded = recorded_commit(service, snapshot)
    renderings = Renderings(snapshot.export(recorded), root)
    findings = find_hand_edits(service, renderings)
    is_newer = recorded != target and snapshot.contains(recorded, ancestor=target)
    wanted = Version(template=snapshot.export_questions(target), name=snapshot.describe(target))
    has_target_to_meet = recorded != target and not is_newer
    return Status(
        directory=directory,
        name=service.name,
        version=service.version,
        target=wanted.name,
        versions_behind=len(snapshot.versions_between(recorded, target)),
        commits_behind=snapshot.count_commits(recorded, target),
        is_newer=is_newer,
        drift=_drift(renderings, findings.rendered, service.directory),
        hand_edits=findings.edits,
        answers_problem=findings.limit,
        plan_problem=_plan_problem(renderings, findings.accepted, wanted if has_target_to_meet else None),
    )


def _target(snapshot: Snapshot, ref: str | None) -> str:
    """The version that was named, else this package's where the template has it, else the template's newest."""
    if ref is not None:
        return ref
    own = own_version()
    if own is not None:
        with contextlib.suppress(MissingVersionError):
            return snapshot.resolve(own)
    newest = snapshot.versions()[-1:]
    return newest[0] if newest else "HEAD"


def _drift(renderings: Renderings, answers: Mapping[str, Any], service: Path) -> Drift | None:
    try:
        pristine = renderings.of(answers)
    except PacelineError:
        return None
    return find_drift(pristine, service)


def _plan_problem(renderings: Renderings, answers: Mapping[str, Any], wanted: Version | None) -> str | None:
    """Why the answers make no plan in the service's version, or would make none in the one that is wanted."""
    try:
        plan_in_words(renderings.of(answers).answers)
        if wanted is not None:
            plan_after(wanted, answers, {}, suggested={})
    except BrokenTemplateError:
        raise
    except PacelineError as error:
        return str(error)
    return None


def _not_examined(directory: Path, error: Exception, service: Service | None = None) -> Status:
    if isinstance(error, OSError):
        sentence = f"{directory} cannot be examined: {error.strerror or error} ({error.filename})."
    else:
        sentence = str(error)
    if service is None:
        return Status(directory=directory, name=directory.resolve().name, problem=sentence)
    return Status(directory=directory, name=service.name, version=service.version, problem=sentence)


def _for_json(answer: Any) -> Any:  # noqa: ANN401 - whatever a YAML file holds
    return answer if answer is None or isinstance(answer, bool | int | float | str) else str(answer)
