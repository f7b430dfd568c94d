"""Runs a command as systemd would, as far as that goes without systemd: ``python sandbox.py UNIT COMMAND …``.

What the unit's ``SystemCallFilter`` and ``MemoryDenyWriteExecute`` refuse is refused, by libseccomp, on which systemd
itself depends. https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#SystemCallFilter=
"""

import ctypes
import errno
import mmap
import os
import re
import subprocess
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_MASKED_EQUAL = 7
_EXECUTABLE_SHARED_MEMORY = 0o100000

Test = tuple[int, int, int]
"""Which argument of a system call is compared, under which mask, with what."""

# Memory that can be written and executed, or that becomes executable later.
_WRITE_EXECUTE: dict[str, list[Test]] = {
    "mmap": [(2, mmap.PROT_WRITE | mmap.PROT_EXEC, part) for part in (0, mmap.PROT_WRITE, mmap.PROT_EXEC)],
    "mprotect": [(2, mmap.PROT_EXEC, 0)],
    "pkey_mprotect": [(2, mmap.PROT_EXEC, 0)],
    "shmat": [(2, _EXECUTABLE_SHARED_MEMORY, 0)],
}


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def allowed_calls(values: list[str]) -> set[str]:
    """The system calls that the values of ``SystemCallFilter`` allow: the first lists them, others take away."""
    allowed = set().union(*(_expand(name) for name in values[0].split()))
    for value in values[1:]:
        assert value.startswith("~"), value
        allowed -= set().union(*(_expand(name) for name in value.removeprefix("~").split()))
    return allowed


def _expand(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "syscall-filter", name]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    names = [line.strip() for line in listed if line.strip() and not line.strip().startswith("#")]
    return set().union(*(_expand(name) for name in names))


def _refuse_all_but(allowed: set[str]) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    add = seccomp.seccomp_rule_add_array
    add.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    seccomp.seccomp_load.argtypes = (ctypes.c_void_p,)
    context = seccomp.seccomp_init(ctypes.c_uint32(_REFUSE))
    for name in allowed:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            # Of another architecture.
            continue
        for argument, mask, value in _WRITE_EXECUTE.get(name, []):
            comparison = _Comparison(argument, _MASKED_EQUAL, mask, value)
            assert add(context, _ALLOW, number, 1, ctypes.byref(comparison)) == 0, name
        if name not in _WRITE_EXECUTE:
            assert add(context, _ALLOW, number, 0, None) == 0, name
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    _unit, *_command = sys.argv[1:]
    _said = Path(_unit).read_text()
    assert "\nMemoryDenyWriteExecute=yes\n" in _said
    _allowed = allowed_calls(re.findall(r"^SystemCallFilter=(.*)$", _said, re.MULTILINE))
    _refuse_all_but(_allowed)
    os.execv(_command[0], _command)
