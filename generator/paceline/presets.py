"""Answers that go together: where most services start."""

from collections.abc import Mapping
from enum import StrEnum

from paceline.errors import UsageError


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


def find_preset(name: str) -> Preset:
    """The preset of a name. Raises :class:`UsageError` when there is none."""
    try:
        return Preset(name)
    except ValueError:
        raise UsageError(f"There is no preset {name!r}; the presets are {', '.join(Preset)}.") from None


def presets_in_words() -> str:
    """Each preset with its answers."""
    return "; ".join(
        f"{preset} ({', '.join(f'{name} {answer}' for name, answer in answers.items())})"
        for preset, answers in PRESETS.items()
    )
