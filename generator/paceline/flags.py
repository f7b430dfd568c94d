"""One command-line flag for every question, so that the command cannot disagree with ``copier.yml``."""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from paceline.questions import Question

# A type made at run time, which a type checker cannot follow.
ANNOTATED: Any = Annotated


def with_flags(command: Callable[..., None], questions: Iterable[Question]) -> Callable[..., None]:
    """The command with a keyword parameter for each question in place of its own parameter ``flags``.

    The command is called with ``flags`` as a dictionary of those that were given.
    """
    asked = [question for question in questions if not question.is_computed]

    def run(**arguments: object) -> None:
        given = {question.name: arguments.pop(question.name) for question in asked}
        command(flags={name: answer for name, answer in given.items() if answer is not None}, **arguments)

    own = [parameter for name, parameter in inspect.signature(command).parameters.items() if name != "flags"]
    parameters = [*own, *(_parameter(question) for question in asked)]
    run.__doc__ = command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    # Typer reads the signature; the attribute is Python's documented way to state one (PEP 362).
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


def _parameter(question: Question) -> inspect.Parameter:
    # A flag's text is passed on as it is: what can be an answer is for the question to say.
    annotation = ANNOTATED[(bool if question.type is bool else str) | None, _option(question)]
    return inspect.Parameter(question.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _option(question: Question) -> Any:  # noqa: ANN401 - typer does not name the type
    flag = "--" + question.name.replace("_", "-")
    # The default is only told: a flag that is not given must leave the question to copier.
    told = question.help + _default_in_words(question)
    if question.type is bool:
        return typer.Option(f"{flag}/--no-{flag[2:]}", help=told, show_default=False)
    kinds = question.choices if question.has_few_choices else (question.type.__name__,)
    return typer.Option(
        flag,
        help=told,
        show_default=False,
        metavar=f"<{'|'.join(kinds)}>",
        autocompletion=lambda incomplete: [choice for choice in question.choices if choice.startswith(incomplete)],
    )


def _default_in_words(question: Question) -> str:
    if not question.has_fixed_default:
        return ""
    default = {True: "yes", False: "no"}[question.default] if isinstance(question.default, bool) else question.default
    return f" [default: {default}]"
