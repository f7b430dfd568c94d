"""``python -m app.tasks`` starts a task worker, as the plan sizes it."""

import os

# Asked to stop, a worker gives its tasks worker_soft_shutdown_timeout and hands the rest back to the
# queue; otherwise it would wait for them, and be killed. Celery reads this when it is imported.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")

from app.tasks.worker import celery, settings


def main() -> None:
    """Run a Celery worker until it is asked to stop."""
    celery.worker_main(
        [
            "worker",
            f"--hostname={settings.task_worker_name}@%h",
            f"--concurrency={settings.task_concurrency}",
            f"--loglevel={settings.log_level}",
            # Workers do not need to know each other.
            "--without-gossip",
            "--without-mingle",
            # Each worker starts the periodic tasks, which find nothing to do when another has done it.  # example
            "--beat",  # example
            # Keeps its times in memory, and so needs no file.  # example
            "--scheduler=celery.beat:Scheduler",  # example
        ]
    )


if __name__ == "__main__":
    main()
