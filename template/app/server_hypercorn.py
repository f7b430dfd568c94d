"""hypercorn with several workers. It replaces none that dies: it ends, and the platform starts it again."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
from tempfile import TemporaryDirectory
from threading import Event, Thread

from hypercorn.config import Config, Sockets
from hypercorn.run import run

from app.config import Settings
from app.telemetry import METRICS_DIRECTORY_VARIABLE

_BACKLOG = 2_048

_listeners: list[socket.socket] = []


def serve(application: str, settings: Settings) -> None:
    """Serve ``module:name`` until asked to stop. A worker that dies ends the process with 1."""
    plan = settings.plan
    config = _Config.from_mapping(
        application_path=application,
        bind=f"{settings.host}:{settings.port}",
        workers=settings.workers,
        worker_class="uvloop",
        errorlog=logging.getLogger("hypercorn.error"),
        include_server_header=False,
        backlog=_BACKLOG,
        keep_alive_timeout=settings.keep_alive,
        graceful_timeout=plan.graceful_timeout,
        shutdown_timeout=plan.grace_period - plan.graceful_timeout,
    )
    with TemporaryDirectory(prefix="metrics-") as directory:
        os.environ[METRICS_DIRECTORY_VARIABLE] = directory
        was_asked_to_stop = _run(config)
    if not was_asked_to_stop:
        # hypercorn's own exit code does not tell.
        sys.exit("A worker has died, and the server with it.")


class _Config(Config):
    def create_sockets(self) -> Sockets:
        sockets = super().create_sockets()
        # Not in this object: the workers get copies of it, which would keep them open.
        _listeners.extend(sockets.insecure_sockets)
        return sockets


def _run(config: Config) -> bool:
    """Run until all workers have ended. Returns whether that was asked for."""
    # The workers inherit this. They are told to stop by an event; the signal, which follows as soon as the
    # first of them has ended, would cut off the requests of the others.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    is_asked_to_stop = Event()
    signals, to_signals = socket.socketpair()
    to_signals.settimeout(0)
    signal.set_wakeup_fd(to_signals.fileno())
    watcher = Thread(target=_watch, args=(signals, is_asked_to_stop), daemon=True)
    watcher.start()
    run(config)
    for worker in multiprocessing.active_children():
        worker.join()
    signal.set_wakeup_fd(-1)
    to_signals.close()
    watcher.join()
    return is_asked_to_stop.is_set()


def _watch(signals: socket.socket, is_asked_to_stop: Event) -> None:
    while received := signals.recv(1_024):
        if signal.SIGTERM in received or signal.SIGINT in received:
            is_asked_to_stop.set()
            # Or new connections would wait for workers that accept none any more.
            for listener in _listeners:
                listener.close()
