"""Load by callers of our own, for what wrk cannot say: how long the requests have waited that nobody answered.

wrk counts a request when it is answered, so a caller that is never served does not show in its percentiles.
These callers are slower than wrk (some thousand requests/s); they are for servers that ask a database.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import uvloop

from benchmarks.wrk import Load, Request

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"transfer-encoding: *chunked", re.IGNORECASE)
_BUFFER = 8 * 1024 * 1024
_LONGEST_SECONDS = 60
_PAUSE_SECONDS = 0.05
_GREETING = "/health/live"

Result = TypeVar("Result")


@dataclass(slots=True)
class Answers:
    """What callers got. Times are in seconds."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    size: int = 0
    socket_errors: int = 0
    unanswered: list[float] = field(default_factory=list)
    """How long the requests had waited that were open at the end."""

    @property
    def failures(self) -> int:
        """Answers with a status of 400 or more."""
        return sum(count for status, count in self.statuses.items() if status >= 400)

    def load(self, seconds: float) -> Load:
        """As wrk would report it, but with the requests that were not answered."""
        times = sorted([*self.seconds, *self.unanswered]) or [0.0]
        return Load(
            requests=len(self.seconds),
            requests_per_second=len(self.seconds) / seconds,
            p50=_percentile(times, 50),
            p95=_percentile(times, 95),
            p99=_percentile(times, 99),
            longest=times[-1] * 1000,
            failures=self.failures,
            socket_errors=self.socket_errors,
            bytes_per_answer=self.size / max(1, len(self.seconds)),
        )


def call_for(port: int, request: Request, *, connections: int, seconds: float) -> Load:
    """Each of so many callers asks again as soon as it is answered, for some seconds.

    All are connected before the first asks: this measures how long a server lets its callers wait.
    """
    return _run(_for_some_time(port, request, connections, seconds)).load(seconds)


def connect_and_call_for(port: int, request: Request, *, connections: int, seconds: float) -> Load:
    """The same by callers who connect while the others ask already: a busy server has to accept them too."""
    return _run(_for_some_time_from_the_door(port, request, connections, seconds)).load(seconds)


def call_each(port: int, paths: Iterable[str], *, connections: int) -> Answers:
    """Ask each path once, so many at a time."""
    return _run(_each(port, iter(paths), connections))


def call_at_once(port: int, path: str, *, connections: int) -> Answers:
    """Open the connections, and only then ask the same over all of them in one moment."""
    return _run(_at_once(port, path, connections))


def _run(work: Coroutine[None, None, Result]) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _for_some_time(port: int, request: Request, connections: int, seconds: float) -> Answers:
    opened = await asyncio.gather(*(_Connection.open(port) for _ in range(connections)))
    nobody = Answers()
    # An answer, whatever it is, shows that a connection was accepted.
    await asyncio.gather(*(connection.ask(_message(_GREETING, ()), nobody) for connection in opened))
    return await _ask_for(port, request, list(opened), seconds)


async def _for_some_time_from_the_door(port: int, request: Request, connections: int, seconds: float) -> Answers:
    return await _ask_for(port, request, [None] * connections, seconds)


async def _ask_for(port: int, request: Request, connections: Sequence["_Connection | None"], seconds: float) -> Answers:
    answers = Answers()
    message = _message(request.path, request.headers)
    callers = [asyncio.create_task(_again_and_again(connection, port, message, answers)) for connection in connections]
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    return answers


async def _again_and_again(connection: "_Connection | None", port: int, message: bytes, answers: Answers) -> None:
    while True:
        started = time.perf_counter()
        try:
            connection = connection or await _Connection.open(port)
            try:
                while True:
                    await connection.ask(message, answers)
                    started = time.perf_counter()
            finally:
                connection.close()
        except (OSError, EOFError):
            answers.socket_errors += 1
            connection = None
            # A server that refuses is not to be asked in a busy loop.
            await asyncio.sleep(_PAUSE_SECONDS)
        except asyncio.CancelledError:
            answers.unanswered.append(time.perf_counter() - started)
            raise


async def _each(port: int, paths: Iterator[str], connections: int) -> Answers:
    answers = Answers()
    await asyncio.gather(*(_ask_some(port, paths, answers) for _ in range(connections)))
    return answers


async def _ask_some(port: int, paths: Iterator[str], answers: Answers) -> None:
    connection = await _Connection.open(port)
    try:
        for path in paths:
            await connection.ask(_message(path, ()), answers)
    finally:
        connection.close()


async def _at_once(port: int, path: str, connections: int) -> Answers:
    answers = Answers()
    opened = await asyncio.gather(*(_Connection.open(port) for _ in range(connections)))
    # Time for each worker to accept what is its own.
    await asyncio.sleep(0.2)
    await asyncio.gather(*(_ask_once(connection, path, answers) for connection in opened))
    return answers


async def _ask_once(connection: "_Connection", path: str, answers: Answers) -> None:
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            await connection.ask(_message(path, ()), answers)
    except (OSError, EOFError):
        # A timeout is an OSError too.
        answers.socket_errors += 1
    finally:
        connection.close()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "_Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=_BUFFER))

    async def ask(self, message: bytes, answers: Answers) -> None:
        started = time.perf_counter()
        self._writer.write(message)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        size = await self._read_body(head)
        answers.seconds.append(time.perf_counter() - started)
        answers.statuses[status] += 1
        answers.size += len(head) + size

    def close(self) -> None:
        self._writer.close()

    async def _read_body(self, head: bytes) -> int:
        if _CHUNKED.search(head):
            return await self._read_chunks()
        length = _LENGTH.search(head)
        return 0 if length is None else len(await self._reader.readexactly(int(length[1])))

    async def _read_chunks(self) -> int:
        size = 0
        while True:
            length = int(await self._reader.readuntil(b"\r\n"), 16)
            await self._reader.readexactly(length + 2)
            if length == 0:
                return size
            size += length


def _message(path: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _percentile(times: list[float], percent: int) -> float:
    return times[min(len(times) - 1, len(times) * percent // 100)] * 1000
