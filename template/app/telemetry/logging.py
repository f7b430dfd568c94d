"""Structured logs on standard output, one JSON object a line, from every library alike.

The service's own lines go straight from structlog to the output, which costs less than the way through
the standard library, which the libraries' lines take.
"""

import asyncio
import io
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Any, NamedTuple

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, Processor, WrappedLogger

from app.config import Settings
from app.telemetry.current_request import current_request


def configure_logging(settings: Settings) -> None:
    """Write lines of ``log_level`` and above, in ``log_format``."""
    structlog.configure(
        processors=[*_SHARED, *_renderers(settings), _encode],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.BytesLoggerFactory(_output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(settings)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)


_LINE = (
    '{"event":"request","level":"info","timestamp":"%s","request_id":"%s","method":"%s","path":%s,"route":%s,'
    '"status":%d,"milliseconds":%.2f,"queries":%d}\n'
)


class RequestLine(NamedTuple):
    """What the log tells of a request that was answered."""

    request_id: str
    method: str
    path: str
    route: str
    status: int
    milliseconds: float
    queries: int


class RequestLog:
    """The line that each request writes.

    In JSON it is put together by hand: structlog's way costs as much as a cached answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._is_on = logging.getLevelNamesMapping()[settings.log_level] <= logging.INFO
        self._is_json = settings.log_format == "json"
        self._logger = structlog.get_logger()

    def write(self, lines: Sequence[RequestLine]) -> None:
        """Write the lines of requests that were answered a moment ago."""
        if not self._is_json:
            for line in lines:
                self._logger.info("request", **{**line._asdict(), "milliseconds": round(line.milliseconds, 2)})
        elif self._is_on and lines:
            timestamp = _timestamp(time())
            _output.write("".join([_json_of(line, timestamp) for line in lines]).encode())
            _output.flush_now()


def _json_of(line: RequestLine, timestamp: str) -> str:
    request_id, method, path, route, status, milliseconds, queries = line
    return _LINE % (timestamp, request_id, method, _quoted(path), _quoted(route), status, milliseconds, queries)


def _timestamp(now: float) -> str:
    second = int(now)
    return f"{_whole_second(second)}.{int((now - second) * 1_000_000):06}Z"


@lru_cache(maxsize=2)
def _whole_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return to_json(text).decode()


class _Output(io.BufferedWriter):
    """What is written in one turn of the event loop leaves in one system call, at its end."""

    _is_waiting = False

    def flush(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush_now()
            return
        if not self._is_waiting:
            self._is_waiting = True
            loop.call_soon(self.flush_now)

    def flush_now(self) -> None:
        """Hand over what has been written so far."""
        self._is_waiting = False
        super().flush()


# The descriptor and not sys.stdout, which a test or a supervisor may have replaced.
_output = _Output(io.FileIO(1, "wb", closefd=False))


def _add_request_id(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:  # noqa: ARG001
    request = current_request.get()
    if request is not None:
        event.setdefault("request_id", request.request_id)
    return event


def _encode(logger: WrappedLogger, name: str, line: Any) -> bytes:  # noqa: ARG001
    return line.encode()


def _serialize(event: EventDict, **_: Any) -> str:
    return to_json(event, fallback=repr).decode()


def _renderers(settings: Settings) -> list[Processor]:
    if settings.log_format == "console":
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_serialize)]


_SHARED: list[Processor] = [
    _add_request_id,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
