"""The command line: one face of the modules beside it. It asks, shows and prints; they decide."""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from paceline import status_command, template, update_command, verification
from paceline.answers import gather, stored_answers
from paceline.destination import resolve_destination
from paceline.errors import DeclinedError, PacelineError, StoppedError, UsageError
from paceline.flags import with_flags
from paceline.git import forget_outer_repository
from paceline.making import Draft, Order, check_order, make, rehearse
from paceline.origin import find_source
from paceline.planning import plan_for
from paceline.presets import Preset, find_preset, presets_in_words
from paceline.questions import read_questions
from paceline.terminal import Json, console_for, print_json, print_notes, run_checks, status_of

if TYPE_CHECKING:
    from rich.console import Console


Data = Annotated[
    list[str] | None,
    typer.Option("--data", "-d", metavar="NAME=VALUE", help="Answer a question; may be given many times."),
]
AnswersFile = Annotated[
    Path | None, typer.Option("--answers", metavar="FILE", help="Answers from a YAML file, such as a team's standard.")
]
PresetName = Annotated[
    Preset | None,
    typer.Option(
        "--preset",
        parser=find_preset,
        metavar=f"<{'|'.join(Preset)}>",
        help=f"Answers that go together: {presets_in_words()}.",
        autocompletion=lambda incomplete: [preset for preset in Preset if preset.startswith(incomplete)],
    ),
]
Ref = Annotated[
    str | None,
    typer.Option("--ref", metavar="VERSION", help="A tag or a commit of the template; else this command's version."),
]


class Commands(TyperGroup):
    """Derives the flags of the command that is called, and ends with a sentence instead of a traceback."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **settings: Any) -> Any:  # noqa: ANN401
        """As typer's; an error of ours ends it with the error's status."""
        words = sys.argv[1:] if args is None else args
        try:
            self._add_flags([*words, *_words_to_complete()])
            return super().main(args, *more, **settings)
        except (DeclinedError, StoppedError) as stop:
            _end(str(stop), stop.exit_code)
        except PacelineError as error:
            _end(f"Error: {error}", error.exit_code)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """As typer's, which says nothing when Ctrl-C is pressed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise StoppedError("Stopped.", signal_number=signal.SIGINT) from error

    def _add_flags(self, words: Sequence[str]) -> None:
        # Reading copier.yml takes time, which `paceline --help` need not spend.
        for name, command in COMMANDS_WITH_FLAGS.items():
            if name in words:
                single = typer.Typer(rich_markup_mode=None, add_completion=False)
                single.command(name)(with_flags(command, read_questions(template.locate())))
                self.commands[name] = typer.main.get_command(single)


def _end(sentence: str, status: int) -> NoReturn:
    # A terminal that was closed can no longer be written to.
    with contextlib.suppress(OSError):
        typer.echo(sentence, err=True)
    sys.exit(status)


def _words_to_complete() -> list[str]:
    """The words on the line that a shell wants completed, as bash and the other shells pass them."""
    return [word for name in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS") for word in os.environ.get(name, "").split()]


app = typer.Typer(
    cls=Commands,
    help="Render FastAPI services tuned to the machine and the database they will run on.",
    no_args_is_help=True,
    # Painted help takes three times as long.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line on the arguments of this process."""
    forget_outer_repository()
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"paceline {version('paceline')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


def new(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The new service's directory.")],
    *,
    flags: Mapping[str, object],
    defaults: Annotated[bool, typer.Option("--defaults", help="Ask nothing; take the defaults.")] = False,
    data: Data = None,
    answers: AnswersFile = None,
    preset: PresetName = None,
    git: Annotated[bool, typer.Option("--git/--no-git", help="Begin a git history, which updates need.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and the files; write nothing.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Then run the service's lint, types and tests.")] = False,
    named_template: Annotated[
        str | None,
        typer.Option(
            "--template",
            envvar="PACELINE_TEMPLATE",
            metavar="URL",
            help="The template's repository, or a checkout of it; else the one that this command brings.",
        ),
    ] = None,
    ref: Ref = None,
    as_json: Json = False,
) -> None:
    """Make a service: ask, show the plan, render, and begin its git history."""
    console = console_for(as_json=as_json)
    with find_source(named_template, ref) as source:
        questions = read_questions(source.directory)
        order = Order(
            source=source,
            given=gather(questions, flags=flags, pairs=data or (), file=answers, preset=preset),
            destination=resolve_destination(dest),
            asks=_may_ask(defaults=defaults, as_json=as_json),
            wants_history=git,
        )
        check_order(order)
        if verify:
            _check_can_verify(dry_run=dry_run)
        draft = _rehearse(order, dest, console) if dry_run else _make(order, dest, console)
    outcomes = run_checks(order.destination, console) if verify else []
    status = status_of(outcomes)
    if status == 0 and not dry_run:
        _show_next_commands(dest, console)
    if as_json:
        checks = {"checks": [outcome.as_dict() for outcome in outcomes]} if verify else {}
        place = {"dest": str(order.destination), "commands": _next_commands(dest)}
        print_json(draft.as_dict() | place | checks)
    raise typer.Exit(status)


def plan(
    service: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A service, whose stored answers the options override.")
    ] = None,
    *,
    flags: Mapping[str, object],
    data: Data = None,
    answers: AnswersFile = None,
    preset: PresetName = None,
    as_json: Json = False,
) -> None:
    """Show the connections, sizes and timeouts that follow from answers."""
    from paceline import display
    from paceline.rendering import complete_answers

    source = template.locate()
    questions = read_questions(source)
    stored = stored_answers(service, questions) if service else {}
    given = gather(questions, flags=flags, pairs=data or (), file=answers, preset=preset)
    complete = complete_answers(source, stored | given)
    derived = plan_for(complete)
    if as_json:
        print_json(derived.as_dict())
    else:
        display.show_plan(console_for(as_json=False), derived, title=f"Plan of {complete['project_name']}")


def plans(*, as_json: Json = False) -> None:
    """List the managed databases whose limits are known, each with its source."""
    from paceline import display
    from paceline.database_plans import read_plans

    if as_json:
        print_json([plan.as_dict() for plan in read_plans()])
    else:
        display.show_database_plans(console_for(as_json=False), read_plans())


def verify(service: Annotated[Path, typer.Argument(metavar="DIR", help="The service's directory.")]) -> None:
    """Install a service's environment and run its lint, types and tests."""
    raise typer.Exit(status_of(run_checks(service, console_for(as_json=False))))


COMMANDS_WITH_FLAGS = {"new": new, "plan": plan}
for _name, _command in COMMANDS_WITH_FLAGS.items():
    app.command(_name)(with_flags(_command, questions=()))
app.command()(plans)
app.command()(verify)
app.command()(update_command.update)
app.command()(status_command.status)


def _rehearse(order: Order, named: Path, console: "Console") -> Draft:
    from paceline import display

    draft = rehearse(order)
    _show_draft(order, draft, console)
    display.show_files(console, draft.rendering.files, title=f"{named}/")
    console.print("\nNothing was written.", soft_wrap=True)
    return draft


def _make(order: Order, named: Path, console: "Console") -> Draft:
    def review(draft: Draft) -> None:
        _show_draft(order, draft, console)
        if order.asks:
            _confirm(f"Write {len(draft.rendering.files)} files to {named}?")

    draft = make(order, review=review)
    print_notes(draft.notes_on_history)
    return draft


def _show_draft(order: Order, draft: Draft, console: "Console") -> None:
    from paceline import display

    if order.source.note:
        print_notes([order.source.note])
    display.show_plan(console, draft.plan, title=f"Plan of {draft.rendering.answers['project_name']}")


def _may_ask(*, defaults: bool, as_json: bool) -> bool:
    if defaults:
        return False
    if as_json:
        raise UsageError("With --json nothing can be asked; pass --defaults, and what should differ as flags.")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("There is no terminal to ask on; pass --defaults, and what should differ as flags.")
    return True


def _confirm(question: str) -> None:
    import questionary

    try:
        agrees = questionary.confirm(question).unsafe_ask()
    except EOFError:
        agrees = False
    if not agrees:
        raise DeclinedError("Nothing was written.")


def _check_can_verify(*, dry_run: bool) -> None:
    if dry_run:
        raise UsageError("--dry-run writes nothing that --verify could check; pass one of them.")
    verification.find_uv()


def _show_next_commands(named: Path, console: "Console") -> None:
    commands = "\n".join(f"    {command}" for command in _next_commands(named))
    service = "The service" if named.resolve() == Path.cwd() else named
    console.out(f"\n{service} is ready. Try:\n\n{commands}\n\nIts README.md says how to start it.", highlight=False)
    try:
        verification.find_uv()
    except PacelineError as error:
        print_notes([str(error)])


def _next_commands(named: Path) -> list[str]:
    try:
        uv = verification.find_uv()
    except PacelineError:
        uv = "uv"
    test = f"{shlex.quote(uv)} run pytest"
    return [test] if named.resolve() == Path.cwd() else [f"cd {shlex.quote(str(named))}", test]
