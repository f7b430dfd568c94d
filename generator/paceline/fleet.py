"""Many services updated at once: each in a process of its own, so many at a time, and none stops the others.

What an update of one service does is :mod:`paceline.updating`'s. Each template is fetched once, so that all services of
a run see the same versions of it.
"""

import contextlib
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from paceline import git, verification
from paceline.errors import PacelineError, StoppedError
from paceline.service import Service, read_service
from paceline.snapshot import Snapshot, fetch_snapshot, without_password
from paceline.stopping import stopping
from paceline.update_report import Report, Result
from paceline.updating import NOTHING_CHANGED, Checks, Request, update

# Loaded once in the process from which all others are forked.
PRELOADED = ("copier", "paceline.fleet", "paceline.rendering")
# A question that git, ssh or a helper of git asks would wait for ever.
WITHOUT_QUESTIONS = {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never", "GCM_INTERACTIVE": "never"}

NOT_BEGUN = "Not begun."


@dataclass(frozen=True, kw_only=True)
class Member:
    """Where a service of a fleet is: a directory of this machine, or a repository that is cloned for the update."""

    url: str | None = None
    directory: Path = Path()
    """Of a service with a URL: where it lies in its repository."""
    branch: str | None = None
    """Of a service with a URL: the branch to update; None for the one that the remote's HEAD names."""

    @property
    def address(self) -> str:
        """The whole of where it is, without a password."""
        if self.url is None:
            return str(self.directory)
        url = without_password(self.url)
        return url if self.directory == Path() else f"{url} {self.directory.as_posix()}"

    @property
    def name(self) -> str:
        """As much of that as tells it from others in a table."""
        if self.url is None:
            return min(os.path.relpath(self.directory), str(self.directory), key=len)
        repository = "/".join(re.split(r"[/:]", self.url.rstrip("/"))[-2:]).removesuffix(".git")
        return repository if self.directory == Path() else f"{repository} {self.directory.as_posix()}"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Services, and what they share."""

    members: Sequence[Member]
    answers: Path | None = None
    """A file with the organisation's answers to questions that are new to a service."""
    template: str | None = None
    """Where the template is now, when it has moved."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one service: a report, or a sentence that says why there is none."""

    member: Member
    report: Report | None = None
    reason: str = ""
    is_stopped: bool = False

    @property
    def is_failed(self) -> bool:
        """Whether somebody has to see to it, conflicts apart."""
        if self.report is None:
            return not self.is_stopped
        return self.report.result is Result.FAILED_CHECKS

    @property
    def result(self) -> str:
        """In one or two words."""
        if self.report is not None:
            return "conflicts" if self.report.conflicts else str(self.report.result)
        return "stopped" if self.is_stopped else "failed"

    def as_dict(self) -> dict[str, Any]:
        """The report with where the service is; without a report, the sentence as ``reason``."""
        place = {"service": self.member.address, "url": self.member.url and without_password(self.member.url)}
        if self.report is None:
            return {**place, "result": self.result, "reason": self.reason, "pushed_to": None}
        return {**place, **self.report.as_dict(), "reason": None}


def run_checks(directory: Path) -> list[verification.Outcome]:
    """A service's own checks, without a word."""
    return list(verification.verify(directory, announce=lambda _: None))


class Run:
    """One update of all services of a fleet."""

    def __init__(self, members: Sequence[Member], request: Request, *, jobs: int, checks: Checks | None = None) -> None:
        self._members = deque(members)
        self._request = request
        self._jobs = jobs
        self._checks = checks
        self._context = _context()
        self._workers: dict[Connection, _Worker] = {}
        self._templates: dict[str, _Template] = {}
        self._is_stopped = False

    def stop(self) -> None:
        """Begin no more, and have what is under way end and clean up. May be called by a handler of signals."""
        self._is_stopped = True
        for worker in list(self._workers.values()):
            worker.process.terminate()

    def outcomes(self) -> Generator[Outcome]:
        """Each service's, as it comes. When the last has come, no process and no file of the run is left."""
        with tempfile.TemporaryDirectory(prefix="paceline-fleet-", ignore_cleanup_errors=True) as root:
            try:
                yield from self._begin(Path(root))
                while self._workers:
                    for connection in wait(list(self._workers)):
                        yield from self._hear(self._workers[connection], Path(root))  # ty: ignore[invalid-argument-type]
                    yield from self._begin(Path(root))
            finally:
                self._end_all()

    def _begin(self, root: Path) -> Iterator[Outcome]:
        while self._members and self._is_stopped:
            yield Outcome(member=self._members.popleft(), reason=NOT_BEGUN, is_stopped=True)
        while self._members and self._busy() < self._jobs:
            member = self._members.popleft()
            directory = Path(tempfile.mkdtemp(prefix="service-", dir=root))
            task = _Task(member=member, directory=directory, request=self._request, checks=self._checks)
            self._start(_Worker(task, *self._new_process(_update_member, task)))

    def _busy(self) -> int:
        return sum(isinstance(worker.task, _Task) for worker in self._workers.values())

    def _hear(self, worker: "_Worker", root: Path) -> Iterator[Outcome]:
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError):
            kind, content = "died", ""
        if kind == "template":
            self._provide(content, worker, root)
            return
        status = self._end(worker)
        if kind == "died":
            kind, content = "failed", _how_it_died(status)
        if isinstance(worker.task, _Task):
            yield self._outcome(worker.task.member, kind, content)
        else:
            self._templates[worker.task.url].arrive(kind, content)

    def _outcome(self, member: Member, kind: str, content: Any) -> Outcome:  # noqa: ANN401 - a report's values
        if kind == "report":
            return Outcome(member=member, report=Report.from_dict(content))
        # One that was ended before it could do anything has not failed.
        return Outcome(member=member, reason=content, is_stopped=kind == "stopped" or self._is_stopped)

    def _provide(self, url: str, worker: "_Worker", root: Path) -> None:
        """Let a worker have the template when it is there, which another process sees to."""
        if url not in self._templates:
            self._templates[url] = _Template()
            directory = Path(tempfile.mkdtemp(prefix="template-", dir=root))
            fetch = _Fetch(url=url, directory=directory)
            self._start(_Worker(fetch, *self._new_process(_fetch_template, fetch)))
        self._templates[url].give_to(worker.connection)

    def _new_process(self, target: Any, task: Any) -> tuple[BaseProcess, Connection]:  # noqa: ANN401
        ours, its = self._context.Pipe()
        environment = {**os.environ, **WITHOUT_QUESTIONS}
        process = self._context.Process(target=_work, args=(target, task, its, environment))  # ty: ignore[missing-attribute]
        process.start()
        # Its end is then open in it alone, so that it closes when the process ends.
        its.close()
        return process, ours

    def _start(self, worker: "_Worker") -> None:
        self._workers[worker.connection] = worker
        # A signal may have come before this worker was among those to end.
        if self._is_stopped:
            worker.process.terminate()

    def _end(self, worker: "_Worker") -> int | None:
        """Wait for a worker, remove what it has left, and return how it ended."""
        del self._workers[worker.connection]
        worker.connection.close()
        worker.process.join()
        _end_descendants(worker.process)
        if isinstance(worker.task, _Task):
            shutil.rmtree(worker.task.directory, ignore_errors=True)
        return worker.process.exitcode

    def _end_all(self) -> None:
        if self._workers:
            self.stop()
        for worker in list(self._workers.values()):
            self._end(worker)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What a process is to do for a service."""

    member: Member
    directory: Path
    """Empty, for a clone and the worktree beside it."""
    request: Request
    checks: Checks | None


@dataclass(frozen=True, kw_only=True)
class _Fetch:
    """A template that a process is to fetch, and the empty directory for it."""

    url: str
    directory: Path


@dataclass(frozen=True)
class _Worker:
    task: _Task | _Fetch
    process: BaseProcess
    connection: Connection


@dataclass
class _Template:
    """A template of the run: first awaited, then a snapshot or the reason why there is none."""

    answer: tuple[str, Any] | None = None
    waiting: list[Connection] = field(default_factory=list)

    def arrive(self, kind: str, content: Any) -> None:  # noqa: ANN401 - a snapshot or a sentence
        self.answer = (kind, content)
        for connection in self.waiting:
            self._send(connection)

    def give_to(self, connection: Connection) -> None:
        self.waiting.append(connection)
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        if self.answer is not None:
            # One that has ended meanwhile needs no answer.
            with contextlib.suppress(OSError):
                connection.send(self.answer)


def _context() -> BaseContext:
    """Processes that begin with copier loaded, where the system can fork; else ones that load it each time."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _end_descendants(process: BaseProcess) -> None:
    """End what a process that was killed has started, and what git goes on with when it is killed itself."""
    if hasattr(os, "killpg") and process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _how_it_died(status: int | None) -> str:
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        why = ", as a system does that runs out of memory" if name == "SIGKILL" else ""
        return f"Its process was ended by {name}{why}; give the same command again, with fewer --jobs if it recurs."
    return f"Its process ended with status {status} and said no more; give the same command again."


def _work(target: Any, task: Any, connection: Connection, environment: Mapping[str, str]) -> None:  # noqa: ANN401
    """In a process of its own: do a task, and send what became of it."""
    if hasattr(os, "setsid"):
        # Without a terminal nothing can ask on it, and Ctrl-C comes by way of the first process alone.
        os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    try:
        with stopping(NOTHING_CHANGED):
            message = target(task, connection)
    except StoppedError as stop:
        message = ("stopped", str(stop))
    except PacelineError as error:
        message = ("failed", str(error))
    except OSError as error:
        message = ("failed", f"{error.strerror or error} ({error.filename}).")
    # Nobody listens when the first process was killed.
    with contextlib.suppress(OSError):
        connection.send(message)


def _fetch_template(fetch: _Fetch, _connection: Connection) -> tuple[str, Snapshot]:
    return "snapshot", fetch_snapshot(fetch.url, fetch.directory)


def _update_member(task: _Task, connection: Connection) -> tuple[str, dict[str, Any]]:
    if task.member.url is None:
        return "report", _update_service(read_service(task.member.directory), task, connection).as_dict()
    clone = task.directory / "repository"
    try:
        service = _clone(task.member, task.member.url, clone)
        report = _update_service(service, task, connection)
    except StoppedError:
        raise
    except PacelineError as error:
        raise PacelineError(_as_outside(str(error), task.member, clone)) from error
    notes = [_as_outside(note, task.member, clone) for note in report.notes]
    # The worktree goes with the clone; who resolves conflicts does it in a clone that stays.
    return "report", replace(report, directory=task.member.directory, worktree=None, notes=notes).as_dict()


def _clone(member: Member, url: str, clone: Path) -> Service:
    branch = ("--branch", member.branch) if member.branch else ()
    try:
        git.git(clone.parent, *git.WITHOUT_HOOKS, "clone", "--quiet", "--depth=1", *branch, "--", url, clone)
    except git.GitError as error:
        raise PacelineError(f"{member.address} cannot be cloned ({error}).") from error
    service = read_service(clone / member.directory)
    if service.repository != clone.resolve():
        raise PacelineError(f"{member.address} is a link that leads out of its repository.")
    return service


def _update_service(service: Service, task: _Task, connection: Connection) -> Report:
    connection.send(("template", task.request.url or service.url))
    try:
        kind, content = connection.recv()
    except EOFError as error:
        raise StoppedError(NOTHING_CHANGED, signal_number=signal.SIGTERM) from error
    if kind != "snapshot":
        raise PacelineError(content)
    return update(service, content, task.request, checks=task.checks)


def _as_outside(sentence: str, member: Member, clone: Path) -> str:
    """A sentence about a clone as one about its repository."""
    for place in (clone.resolve() / member.directory, clone / member.directory, clone.resolve(), clone):
        sentence = sentence.replace(str(place), member.address)
    return without_password(sentence)
