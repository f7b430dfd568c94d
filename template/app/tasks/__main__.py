"""``python -m app.tasks`` starts a task worker, as the plan sizes it."""

from app.tasks.worker import celery, settings


def main() -> None:
    """Run a Celery worker until it is asked to stop."""
    celery.worker_main(
        [
            "worker",
            f"--concurrency={settings.task_concurrency}",
            f"--loglevel={settings.log_level}",
            # Workers do not need to know each other.
            "--without-gossip",
            "--without-mingle",
        ]
    )


if __name__ == "__main__":
    main()
