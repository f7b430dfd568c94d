"""One uvicorn process."""

import signal
import sys

import uvicorn

from app.config import Settings

_BACKLOG = 2_048


def serve(application: str, settings: Settings) -> None:
    """Serve ``module:name`` until asked to stop."""
    plan = settings.plan
    # uvicorn finishes its requests and then raises the signal once more: a stop is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        # Whatever WEB_CONCURRENCY says, which some platforms set by the size of the machine.
        workers=1,
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=plan.graceful_timeout,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
