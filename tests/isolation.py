"""A user of git and copier with an identity and no habits, whatever the machine's settings are."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


def isolate(patch: pytest.MonkeyPatch, home: Path) -> Path:
    """Let git and copier read settings in an empty directory alone; returns the user's settings for git."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "COPIER_"))]:
        patch.delenv(name)
    settings = home / "gitconfig"
    settings.write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n[init]\n\tdefaultBranch = main\n")
    (home / "copier-settings.yml").write_text("{}\n")
    patch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("COPIER_CACHE_DIR", str(home / "copier-cache"))
    patch.setenv("COPIER_SETTINGS_PATH", str(home / "copier-settings.yml"))
    return settings


@contextmanager
def isolated(home: Path) -> Generator[None]:
    """The same for a block, in fixtures that outlive a test."""
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, home)
        yield
