"""gunicorn with several workers, each replaced when it dies; SIGHUP replaces them all."""

import os
import shutil
from tempfile import mkdtemp
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.asgi import protocol
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.util import import_app

from app.config import Settings
from app.telemetry import METRICS_DIRECTORY_VARIABLE

_BACKLOG = 2_048


def serve(application: str, settings: Settings) -> None:
    """Serve ``module:name`` until asked to stop."""
    plan = settings.plan
    # Not a `with` block: the forked workers leave through here too.
    directory = mkdtemp(prefix="metrics-")
    os.environ[METRICS_DIRECTORY_VARIABLE] = directory
    # No answer names the server. There is no setting for it: a response without this header gets it.
    protocol._CACHED_SERVER_HEADER = b""  # noqa: SLF001  # ty: ignore[invalid-assignment]
    _Server(
        application,
        {
            "bind": f"{settings.host}:{settings.port}",
            "workers": settings.workers,
            "worker_class": "asgi",
            "logger_class": _JsonLogger,
            "backlog": _BACKLOG,
            # A worker whose event loop stands still for this long is replaced.
            "timeout": plan.grace_period,
            "graceful_timeout": plan.graceful_timeout,
            "keepalive": settings.keep_alive,
            "forwarded_allow_ips": settings.forwarded_allow_ips,
            "control_socket_disable": True,
            "on_exit": lambda _: shutil.rmtree(directory, ignore_errors=True),
        },
    ).run()


class _Server(BaseApplication):
    cfg: Config

    def __init__(self, application: str, options: dict[str, Any]) -> None:
        self._application = application
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # Called in the worker, after the fork: nothing may be open before it.
        return import_app(self._application)


class _JsonLogger(Logger):
    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        # To the root, whose handler configure_logging has set.
        self.error_log.handlers = []
        self.error_log.propagate = True
