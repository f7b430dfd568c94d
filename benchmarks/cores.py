"""Which core does what: the measured server has one to itself, everything else shares the other."""

import os
import struct
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE = 0
"""The measured server, when it is one process."""
OTHER_CORE = 1
"""The load generator, PostgreSQL, Valkey and this program."""
BOTH_CORES = (SERVER_CORE, OTHER_CORE)

# Linux keeps every core within this latency, in microseconds, for as long as the file is held open
# (Documentation/power/pm_qos_interface.rst). The profiles of tuned for low latency do the same.
_LATENCY = Path("/dev/cpu_dma_latency")


@contextmanager
def pinned_to(cores: Iterable[int]) -> Generator[None]:
    """Processes and threads started in the block run on these cores: they inherit them at their start."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def kept_awake() -> Generator[bool]:
    """Idle cores poll in the block, instead of sleeping; whether that could be had is what the block is given.

    A server whose answers wake a sleeping load generator pays for it, in a virtual machine dearly; one that
    is fast enough never lets it sleep, and pays nothing. Callers on another machine cost neither of them that.
    """
    try:
        file = _LATENCY.open("wb", buffering=0)
    except OSError:
        yield False
        return
    with file:
        file.write(struct.pack("i", 0))
        yield True


def are_available() -> bool:
    """Whether this process may use both cores."""
    return os.sched_getaffinity(0) >= set(BOTH_CORES)
