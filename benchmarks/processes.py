"""Processes that are started here: read from /proc, ended by their id, waited for within a bound."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

_STOP_SECONDS = 10
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# As /proc/net/tcp writes it (proc_pid_net(5)).
_ESTABLISHED = "01"


def family_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return [pid, *(descendant for child in _children_of(pid) for descendant in family_of(child))]


def _children_of(pid: int) -> list[int]:
    """None of a process that ends meanwhile, or a thread of which does."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
    children = []
    for task in tasks:
        with contextlib.suppress(OSError):
            children += map(int, (task / "children").read_text().split())
    return children


def cpu_seconds(pids: list[int]) -> float:
    """User and system time that processes have used so far."""
    return sum(sum(_ticks(pid)[:2]) for pid in pids) / _TICKS


def cpu_seconds_with_the_ended(pids: list[int]) -> float:
    """The same with the time of children that have ended."""
    return sum(sum(_ticks(pid)) for pid in pids) / _TICKS


def resident_bytes(pids: list[int]) -> int:
    """Memory that processes hold (RSS)."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * _PAGE


def waited_seconds(pids: list[int]) -> float:
    """How long threads of these processes were ready to run and had no core: someone else had theirs."""
    return sum(_waited_nanoseconds(pid) for pid in pids) / 1e9


def wanted_seconds(pids: list[int]) -> float:
    """The time that processes have run, or would have if a core had been free."""
    return cpu_seconds(pids) + waited_seconds(pids)


def connections_of(pids: list[int], port: int) -> list[int]:
    """How many connections to this port of its own each process holds."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{fields[9]}]"
        for fields in lines
        if fields[3] == _ESTABLISHED and int(fields[1].rpartition(":")[2], 16) == port
    }
    return [sum(link in sockets for link in _open_files(pid)) for pid in pids]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end; kill it and its children when it does not in time."""
    family = family_of(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_SECONDS)
    deadline = time.monotonic() + _STOP_SECONDS
    while any(_is_alive(pid) for pid in family) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in family:
        if _is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def _ticks(pid: int) -> list[int]:
    """User and system time, its own and that of its ended children; nothing when it has ended itself."""
    try:
        # The name, in parentheses, may hold spaces; the times are the 12th to 15th field after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [int(field) for field in fields[11:15]]


def _waited_nanoseconds(pid: int) -> int:
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[1])
        except OSError:
            # The thread has ended.
            continue
    return total


def _open_files(pid: int) -> list[str]:
    found = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(file.readlink()))
        except OSError:
            # Closed meanwhile.
            continue
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
