"""uvicorn with several workers, each replaced when it dies; SIGHUP replaces one after the other."""

import os
from tempfile import TemporaryDirectory

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from app.config import Settings
from app.telemetry import METRICS_DIRECTORY_VARIABLE

_BACKLOG = 2_048
# What has connected to a worker that is about to stop gets this many seconds to ask.
_LAST_REQUEST = 0.5


def serve(application: str, settings: Settings) -> None:
    """Serve ``module:name`` until asked to stop."""
    plan = settings.plan
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=_Connection,
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=plan.graceful_timeout,
        # A worker that stands still for this long is replaced; a new one may take as long to start.
        timeout_worker_healthcheck=plan.request_timeout,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
    with TemporaryDirectory(prefix="metrics-") as directory:
        os.environ[METRICS_DIRECTORY_VARIABLE] = directory
        # Not by uvicorn.run, which serves without a supervisor when there is one worker.
        _Supervisor(config, sockets=[config.bind_socket()]).run()


class _Connection(HttpToolsProtocol):
    def shutdown(self) -> None:
        if self.cycle is None:
            # Its request may be on the way. uvicorn closes at once, which would lose it.
            self.loop.call_later(_LAST_REQUEST, super().shutdown)
        else:
            super().shutdown()


class _Supervisor(Multiprocess):
    def terminate_all(self) -> None:
        # Or new connections would wait for workers that accept none any more.
        for listener in self.sockets:
            listener.close()
        super().terminate_all()
