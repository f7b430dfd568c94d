"""Which core does what: the measured server has one to itself, everything else shares the other."""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager

SERVER_CORE = 0
"""The measured server, when it is one process."""
OTHER_CORE = 1
"""The load generator, PostgreSQL, Valkey and this program."""
BOTH_CORES = (SERVER_CORE, OTHER_CORE)


@contextmanager
def pinned_to(cores: Iterable[int]) -> Generator[None]:
    """Processes and threads started in the block run on these cores: they inherit them at their start."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def are_available() -> bool:
    """Whether this process may use both cores."""
    return os.sched_getaffinity(0) >= set(BOTH_CORES)
