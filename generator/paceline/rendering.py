"""Answers in; complete answers and files out. The only module that calls copier."""

import codecs
import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paceline.answers import ANSWERS_FILE
from paceline.capacity import CONNECTIONS_CEILING
from paceline.database_plans import CUSTOM, DatabasePlan, find_plan, larger_plans
from paceline.errors import (
    BrokenTemplateError,
    InvalidAnswerError,
    PacelineError,
    UnansweredQuestionError,
    UsageError,
)
from paceline.planning import plan_for
from paceline.questions import read_questions
from paceline.snapshot import Snapshot, git_url

ONLY_ANSWERS = {"defaults": True, "pretend": True, "exclude": ["*"]}

UNANSWERED = re.compile(r'Question "(?P<question>\w+)" is required')
REFUSED = re.compile(r"(?:Validation error for question|Invalid choice for) '(?P<question>\w+)': (?P<reason>.*)")

# What a user may have set up for git, and copier's merge cannot bear: it would miss rejected changes, lose template's
# files or change what it applies.
SETTINGS_FOR_MERGE = {
    "apply.ignoreWhitespace": "no",
    "apply.whitespace": "nowarn",
    "core.excludesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.quotePath": "true",
    "core.safecrlf": "false",
    "status.showUntrackedFiles": "normal",
}

# UTF-8 in which other bytes have a place too.
EVERY_BYTE = "utf_8_and_every_byte"

NOT_OFFERED = " is not in ["

RANGE = re.compile(r"\w+ must be between [^,]+\.")

# The default of max_connections in copier.yml, and whose it is.
SERVERS_OWN_LIMITS = {"postgresql": ("PostgreSQL", 100), "mysql": ("MySQL", 151)}


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A service as files in a directory."""

    directory: Path
    answers: Mapping[str, Any]
    """Every question with its answer, those that nobody was asked included."""
    stored_answers: Mapping[str, Any]
    """The answers that the service stores: given again, they make the same service."""
    files: tuple[str, ...]
    """Paths relative to the directory, sorted, with ``/`` on every platform."""


def complete_answers(template: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given answers, held to every rule, and the defaults of all other questions. Renders nothing.

    Raises :class:`PacelineError` with the reason when the answers are refused.
    """
    return dict(_copy(template, _nowhere(template), given, **ONLY_ANSWERS).answers)


def reconsidered_answers(
    template: Path, stored: Mapping[str, Any], given: Mapping[str, Any], *, suggested: Mapping[str, Any] | None = None
) -> Rendering:
    """What an update would make of a service's stored answers when some are given anew. Renders nothing.

    Copier drops stored answers that a rule refuses and takes the defaults instead; so does this. ``suggested``
    answers go before the template's defaults. Raises :class:`PacelineError` when a given answer is refused, and when
    no default fits in place of a stored one.
    """
    import yaml

    suggested = dict(suggested or {})
    with tempfile.TemporaryDirectory(prefix="paceline-answers-") as directory:
        (Path(directory) / ANSWERS_FILE).write_text(yaml.safe_dump(dict(stored)), encoding="utf-8")
        try:
            return _run_copier(template, Path(directory), given, user_defaults=suggested, **ONLY_ANSWERS)
        except (InvalidAnswerError, UnansweredQuestionError):
            # Copier names the first question that is left without an answer, and seldom the one at fault.
            complete_answers(template, {**suggested, **stored, **given})
            raise


def render(
    template: Path, directory: Path, given: Mapping[str, Any], *, address: Mapping[str, str] | None = None
) -> Rendering:
    """Render a service into a directory that does not exist; questions not answered take their defaults.

    The service stores the template's ``address``, or else where the template is. Raises :class:`PacelineError`.
    What was written by then is left to the caller to remove.
    """
    return _copy(template, directory, _with_address(given, address), defaults=True)


def render_asking(
    template: Path,
    directory: Path,
    given: Mapping[str, Any],
    *,
    address: Mapping[str, str] | None = None,
    suggested: Mapping[str, Any],
) -> Rendering:
    """As :func:`render`, and asks on the terminal what is not given; ``suggested`` answers are offered there.

    Raises :class:`KeyboardInterrupt` when the user stops it.
    """
    return _copy(template, directory, _with_address(given, address), user_defaults=dict(suggested))


def update(
    directory: Path, snapshot: Snapshot, commit: str, *, given: Mapping[str, Any], suggested: Mapping[str, Any]
) -> None:
    """Merge a version of the template into the service in a clean work tree, as ``copier update`` does.

    ``given`` answers replace stored ones; ``suggested`` ones answer questions that are new. Conflicts are left in
    the files and in the index. Reads the snapshot, whatever the address that the service stores. Raises
    :class:`PacelineError`; what was written by then is left to the caller to remove.
    """
    import copier

    with _reading(snapshot), _quietly(), _translated_errors():
        copier.run_update(
            directory,
            data=dict(given),
            user_defaults=dict(suggested),
            vcs_ref=commit,
            settings=copier.Settings(),
            defaults=True,
            skip_answered=True,
            overwrite=True,
            quiet=True,
        )


@contextlib.contextmanager
def _reading(snapshot: Snapshot) -> Generator[None]:
    """Let copier's git find the template in the snapshot, by whatever name of it the service uses."""
    from plumbum import local

    names = [(f"url.{snapshot.repository}.insteadOf", name) for name in (snapshot.url, git_url(snapshot.url))]
    before = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    settings = {}
    for number, (name, value) in enumerate([*SETTINGS_FOR_MERGE.items(), *names], start=before):
        settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        settings["GIT_CONFIG_COUNT"] = str(number + 1)
    # A clone of one's own: in one that is shared, git stumbles over the work trees that other processes remove.
    with tempfile.TemporaryDirectory(dir=snapshot.root, prefix="copier-", ignore_cleanup_errors=True) as cache:
        settings["COPIER_CACHE_DIR"] = cache
        # plumbum, which calls git for copier, keeps the variables that were set when it was imported.
        with _environment(settings), local.env(**os.environ), _all_bytes_kept():
            yield


@contextlib.contextmanager
def _all_bytes_kept() -> Generator[None]:
    """Let plumbum hand on a patch as it is: it leaves out bytes that are not UTF-8, and so would the merged files."""
    from plumbum.machines.local import LocalMachine

    codecs.register(_find_codec)
    before = LocalMachine.custom_encoding
    LocalMachine.custom_encoding = EVERY_BYTE
    try:
        yield
    finally:
        LocalMachine.custom_encoding = before
        codecs.unregister(_find_codec)


def _find_codec(name: str) -> codecs.CodecInfo | None:
    if name != EVERY_BYTE:
        return None
    return codecs.CodecInfo(
        name=EVERY_BYTE,
        encode=lambda text, _errors="strict": codecs.utf_8_encode(text, "surrogateescape"),
        decode=lambda content, _errors="strict": codecs.utf_8_decode(content, "surrogateescape", True),
    )


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _with_address(given: Mapping[str, Any], address: Mapping[str, str] | None) -> dict[str, Any]:
    return {**given, "template_origin": dict(address)} if address else dict(given)


def suggest_name(template: Path, directory_name: str) -> dict[str, str]:
    """An answer to ``project_name`` made of a directory's name; empty when the question would refuse it."""
    words = re.findall(r"[A-Za-z0-9]+", directory_name)
    suggestion = {"project_name": " ".join(word[0].upper() + word[1:] for word in words)}
    try:
        complete_answers(template, suggestion)
    except PacelineError:
        return {}
    return suggestion


def _copy(template: Path, directory: Path, given: Mapping[str, Any], **settings: Any) -> Rendering:  # noqa: ANN401
    try:
        return _run_copier(template, directory, given, **settings)
    except (InvalidAnswerError, UnansweredQuestionError) as error:
        if error.question == "database_plan" and "database_plan" in given:
            _raise_refusal_of_plan(template, given, str(error))
        if error.question == "max_connections" and given.get("database_plan", CUSTOM) == CUSTOM:
            _raise_shortage(template, given)
        if isinstance(error, InvalidAnswerError) and error.question in given:
            raise _with_answer(error, given[error.question]) from error
        raise


def _with_answer(error: InvalidAnswerError, answer: object) -> InvalidAnswerError:
    """The refusal of an answer outside its range, with the answer."""
    message = str(error)
    if not RANGE.fullmatch(message):
        return error
    return InvalidAnswerError(error.question, f"{message.removesuffix('.')}, not {answer}.")


def _raise_shortage(template: Path, given: Mapping[str, Any]) -> None:
    """Say the whole sum where copier can only say that a limit on connections does not fit."""
    everything_fits = {**given, "max_connections": CONNECTIONS_CEILING}
    facts = _run_copier(template, _nowhere(template), everything_fits, **ONLY_ANSWERS).answers
    if "max_connections" in given:
        plan_for({**facts, "max_connections": int(given["max_connections"])})
        return
    server, default = SERVERS_OWN_LIMITS[facts["database"]]
    try:
        plan_for({**facts, "max_connections": default})
    except PacelineError as error:
        raise PacelineError(
            f"{error} {default} is {server}'s default for max_connections;"
            " if your database has another limit, set it with --max-connections."
        ) from error


def _raise_refusal_of_plan(template: Path, given: Mapping[str, Any], refusal: str) -> None:
    """Say whose plan it is that the database does not offer, or the whole sum and which plan would suffice."""
    try:
        plan = find_plan(str(given["database_plan"]))
    except KeyError:
        return
    if NOT_OFFERED in refusal:
        raise InvalidAnswerError(
            "database_plan",
            f"{plan.name} is a plan for {plan.engine}; choose the database {plan.engine},"
            " or another plan (`paceline plans` lists them).",
        )
    if "database" not in given:
        return
    everything_fits = {**given, "database_plan": CUSTOM, "max_connections": CONNECTIONS_CEILING}
    facts = _run_copier(template, _nowhere(template), everything_fits, **ONLY_ANSWERS).answers
    try:
        _check_plan(plan, facts, given)
    except PacelineError as error:
        larger = next((larger for larger in larger_plans(plan) if _suffices(larger, facts, given)), None)
        way_out = f"; {larger.name}, with {larger.connections}, would do" if larger else ""
        raise PacelineError(f"{error} {plan.name} accepts {plan.connections}{way_out}.") from error


def _check_plan(plan: DatabasePlan, facts: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    reserved = int(given.get("reserved_connections", plan.reserved_connections))
    plan_for({**facts, "max_connections": plan.connections, "reserved_connections": reserved})


def _suffices(plan: DatabasePlan, facts: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    try:
        _check_plan(plan, facts, given)
    except PacelineError:
        return False
    return True


def _run_copier(template: Path, directory: Path, given: Mapping[str, Any], **settings: Any) -> Rendering:  # noqa: ANN401
    import copier

    with _quietly(), _translated_errors():
        worker = copier.run_copy(
            str(template),
            directory,
            data=dict(given),
            # Copier would take the newest tag; what lies in the directory is what the caller chose.
            vcs_ref="HEAD",
            # The defaults that a user set for copier must not change what a command renders.
            settings=copier.Settings(),
            quiet=True,
            **settings,
        )
        answers = worker.answers.combined
    questions = read_questions(template)
    answered = {question.name: answers[question.name] for question in questions if question.name in answers}
    return Rendering(
        directory=directory,
        answers=answered,
        stored_answers={name: answer for name, answer in answered.items() if name not in worker.answers.hidden},
        files=_files(directory),
    )


def _nowhere(template: Path) -> Path:
    """A directory that does not exist: copier reads the answers of one that does."""
    return template / ".nowhere"


def _files(directory: Path) -> tuple[str, ...]:
    paths = (path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir())
    return tuple(sorted(path.relative_to(directory).as_posix() for path in paths))


@contextlib.contextmanager
def _quietly() -> Generator[None]:
    """Keep what copier says beside the prompts (even with ``quiet``) off the terminal; prompts use stdout."""
    with (
        contextlib.redirect_stderr(io.StringIO()),
        # Copier changes the working directory and goes back to the one in which it was imported.
        contextlib.chdir(Path.cwd()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _translated_errors() -> Generator[None]:
    import jinja2
    import yaml
    from copier.errors import CopierError, InteractiveSessionError
    from plumbum import ProcessExecutionError

    try:
        yield
    # Before the others, because copier's own for a question is both a KeyboardInterrupt and a CopierError.
    except KeyboardInterrupt:
        raise
    except InteractiveSessionError as error:
        raise UsageError("The questions were not answered to the end; nothing was written.") from error
    except ProcessExecutionError as error:
        said = error.stderr or error.stdout or f"exit status {error.retcode}"
        raise PacelineError(f"git failed beneath copier ({' '.join(str(said).split())}).") from error
    # Copier raises ValueError and others of Python's own for answers and templates that it refuses.
    except (CopierError, jinja2.TemplateError, yaml.YAMLError, ValueError, TypeError, KeyError, OSError) as error:
        raise _sentence(error) from error


def _sentence(error: Exception) -> PacelineError:
    import jinja2

    message = " ".join(str(error).split()).removesuffix(".")
    if unanswered := UNANSWERED.fullmatch(message):
        return UnansweredQuestionError(unanswered["question"])
    if refused := REFUSED.fullmatch(message):
        return InvalidAnswerError(refused["question"], f"{_capitalized(refused['reason'], refused['question'])}.")
    if isinstance(error, OSError) and error.strerror:
        return PacelineError(f"The service cannot be written: {error.strerror} ({error.filename}).")
    if isinstance(error, jinja2.TemplateSyntaxError):
        message = f"{error.name}, line {error.lineno}: {message}"
    return BrokenTemplateError(
        f"The template cannot be rendered: {message or type(error).__name__}. This is a fault of the"
        " template, not of your answers; please report it."
    )


def _capitalized(reason: str, question: str) -> str:
    """The reason as a sentence begins, unless it begins with the name of a question."""
    first = reason.partition(" ")[0]
    return reason if first == question or "_" in first else reason[:1].upper() + reason[1:]
