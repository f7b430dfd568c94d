"""Answers that go together: where most services start."""

from collections.abc import Mapping
from enum import StrEnum


class Preset(StrEnum):
    """The name of a preset."""

    STARTER = "starter"
    API = "api"
    PLATFORM = "platform"


PRESETS: Mapping[Preset, Mapping[str, str]] = {
    Preset.STARTER: {
        "database": "sqlite",
        "cache_backend": "memory",
        "worker_strategy": "single",
        "task_queue": "none",
    },
    Preset.API: {
        "database": "postgresql",
        "cache_backend": "redis",
        "worker_strategy": "uvicorn",
        "task_queue": "none",
    },
    Preset.PLATFORM: {
        "database": "postgresql",
        "cache_backend": "redis",
        "worker_strategy": "gunicorn",
        "task_queue": "celery-redis",
    },
}
