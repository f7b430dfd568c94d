"""Ctrl-C and its like: work ends at once, what it leaves is removed, and a sentence says so."""

import contextlib
import signal
import threading
from collections.abc import Callable, Generator
from types import FrameType

from paceline.errors import StoppedError

# Ctrl-C, a shutdown, and a terminal that is closed (which Windows does not know).
SIGNALS_TO_END = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def stopping(sentence: str = "Stopped; nothing was written.") -> Generator[Callable[[], None]]:
    """End the block for Ctrl-C and for a system that ends the process; not any more once the result is called.

    Raises :class:`StoppedError` with the sentence.
    """
    received: list[int] = []
    is_cleaning = False

    def stop(number: int, _frame: FrameType | None) -> None:
        if not is_cleaning:
            received.append(number)
            # Not an Exception, which copier would take for the failure of a rule.
            raise KeyboardInterrupt

    def begin_cleaning() -> None:
        nonlocal is_cleaning
        is_cleaning = True

    try:
        with _handling(stop):
            yield begin_cleaning
    except KeyboardInterrupt as error:
        number = received[-1] if received else signal.SIGINT
        raise StoppedError(sentence, signal_number=number) from error


@contextlib.contextmanager
def passing_on(stop: Callable[[], object]) -> Generator[list[int]]:
    """Call ``stop`` for the same signals, and let the block come to its end by itself.

    The list has the numbers of those that came.
    """
    received: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        stop()

    with _handling(pass_on):
        yield received


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Handle the signals that end a process, but for one that is ignored, as under nohup, or in another thread."""
    is_main = threading.current_thread() is threading.main_thread()
    with contextlib.ExitStack() as undo:
        for number in SIGNALS_TO_END if is_main else ():
            before = signal.getsignal(number)
            if before not in (signal.SIG_IGN, None):
                undo.callback(signal.signal, number, before)
                signal.signal(number, handler)
        yield
