"""One command-line flag for every question, so that the command cannot disagree with ``copier.yml``."""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import typer

from paceline.questions import Question

# Types made at run time, which a type checker cannot follow.
ANNOTATED: Any = Annotated
LITERAL: Any = Literal


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
    flag = "--" + question.name.replace("_", "-")
    if question.type is bool:
        flag += "/--no-" + question.name.replace("_", "-")
    # The default is only told: a flag that is not given must leave the question to copier.
    option = typer.Option(flag, help=question.help + _default_in_words(question), show_default=False)
    return inspect.Parameter(
        question.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=ANNOTATED[_type(question), option],
    )


def _default_in_words(question: Question) -> str:
    if not question.has_fixed_default:
        return ""
    default = {True: "yes", False: "no"}[question.default] if isinstance(question.default, bool) else question.default
    return f" [default: {default}]"


def _type(question: Question) -> Any:  # noqa: ANN401 - a type, or a special form that stands for one
    if question.choices:
        return LITERAL[question.choices] | None
    return question.type | None
