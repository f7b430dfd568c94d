"""granian with several workers, each replaced when it dies; SIGHUP replaces one after the other."""

import os
from importlib import import_module
from tempfile import TemporaryDirectory

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.telemetry import METRICS_DIRECTORY_VARIABLE

_BACKLOG = 2_048
# A worker that is replaced stops when the new one has had this many seconds to start.
_START = 10.0
# To the root, whose handler configure_logging has set.
_LOGGING = {"formatters": {}, "handlers": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}}


def serve(application: str, settings: Settings) -> None:
    """Serve ``module:name`` until asked to stop."""
    plan = settings.plan
    with TemporaryDirectory(prefix="metrics-") as directory:
        os.environ[METRICS_DIRECTORY_VARIABLE] = directory
        Granian(
            application,
            address=settings.host,
            port=settings.port,
            workers=settings.workers,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            log_dictconfig=_LOGGING,
            backlog=_BACKLOG,
            # More than the service answers: connections beyond this one wait without an answer, not even 503.
            backpressure=2 * plan.concurrency_limit,
            http1_settings=HTTP1Settings(header_read_timeout=settings.keep_alive * 1_000),
            respawn_failed_workers=True,
            respawn_interval=_START,
            workers_kill_timeout=plan.graceful_timeout,
        ).serve(target_loader=_load)


def _load(application: str) -> ASGIApp:
    module, _, name = application.partition(":")
    return _nameless(getattr(import_module(module), name))


def _nameless(app: ASGIApp) -> ASGIApp:
    """Keep the server's name out of the answers: it adds its own to those that have none."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"server", b"")]
            await send(message)

        await app(scope, receive, send_without_name)

    return answer
