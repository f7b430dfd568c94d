"""What can go wrong, as sentences: what is wrong, with the numbers, and what to do next."""


class PacelineError(Exception):
    """Ends a command. The message is a sentence for the person who gave it."""

    exit_code = 1


class UsageError(PacelineError):
    """The command was not understood: an option, an answer or an answers file is wrong."""

    exit_code = 2


class InvalidAnswerError(UsageError):
    """An answer was understood, and a rule of its question refuses it."""

    def __init__(self, question: str, message: str) -> None:
        super().__init__(message)
        self.question = question


class UnansweredQuestionError(UsageError):
    """A question has no default for these answers, and nobody was asked."""

    def __init__(self, question: str) -> None:
        flag = question.replace("_", "-")
        super().__init__(f"{question} has no default that fits these answers; set it with --{flag}.")
        self.question = question


class BrokenTemplateError(PacelineError):
    """The template itself is at fault, whatever the answers."""


class StoppedError(PacelineError):
    """The user pressed Ctrl-C, or the system asked the process to end."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        # As a shell states it.
        self.exit_code = 128 + signal_number


class DeclinedError(PacelineError):
    """The user was asked whether to go on, and said no."""
