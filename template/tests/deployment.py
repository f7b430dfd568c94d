"""What the files of a deployment say, in words that are the same wherever the service runs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from app.capacity import Deployment
from app.config import Settings
from tests.conftest import ROOT

VARIABLES = {name.upper(): name for name in Settings.model_fields}
"""The variables that the service reads, and the settings that they set."""

_OF_SERVERS = ("_INSTANCES", "_MAX_CONNECTIONS")
FACTS = {fact.name.upper() for fact in fields(Deployment) if not fact.name.upper().endswith(_OF_SERVERS)}
FACTS &= VARIABLES.keys()
"""What the plan follows from."""

ADDRESSES = {
    variable
    for variable, name in VARIABLES.items()
    if variable.endswith(("_URL", "_SERVER")) and Settings.model_fields[name].default is not None
}
"""What the service reaches over the network, or in a file."""

MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Role:
    """One kind of process of the service: the server, the migration, or the worker of tasks."""

    command: str
    """As in a shell."""
    environment: Mapping[str, str]
    """What it is told, in words."""
    secrets: frozenset[str] = frozenset()
    """What it is told besides, by a reference to where the value is kept."""
    grace_period: int
    """Seconds between the platform's request to stop and its kill."""
    notice: int = 0
    """Seconds of these that pass before the process itself is asked to stop."""
    replicas: int = 1
    """The most that run at once, outside a rollout."""
    replicas_at_peak: int = 1
    """The most that run at once in a rollout, with those that are still stopping."""
    cpu_cores: float | None = None
    """Cores of a replica; None where the platform does not count them."""
    memory: int | None = None
    """Bytes of a replica; None where nothing bounds it."""
    user: str | None = None
    """Whom it runs as; None where the platform sees to it."""

    @property
    def settings(self) -> Settings:
        """The settings that it plans with; a secret has a stand-in for its value."""
        told = {name: _stand_in(name) for name in self.secrets} | dict(self.environment)
        return Settings.model_validate({VARIABLES[name]: told[name] for name in told.keys() & VARIABLES.keys()})


@dataclass(frozen=True, kw_only=True)
class DeployedService:
    """The service as the files deploy it."""

    web: Role
    migration: Role
    tasks: Role | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    """The port of the server, by who connects to it or announces it."""
    live_paths: Mapping[str, str] = field(default_factory=dict)
    """What is asked to see whether a process has to be replaced, by who asks."""
    ready_paths: Mapping[str, str] = field(default_factory=dict)
    """What is asked to see whether requests may be sent to it, by who asks."""
    proxy_is_on_its_host: bool = False
    """Whether all requests come from this host itself."""
    proxy_timeouts: Mapping[str, int] = field(default_factory=dict)
    """Seconds that a proxy waits for an answer, by the proxy."""
    proxy_keep_alives: Mapping[str, int] = field(default_factory=dict)
    """Seconds that a proxy keeps a silent connection to the server, by the proxy."""

    @property
    def roles(self) -> dict[str, Role]:
        """Every role, by its name."""
        roles = {"web": self.web, "migration": self.migration}
        return roles | ({"tasks": self.tasks} if self.tasks else {})


def number(pattern: str, text: str) -> int:
    """The one number that a pattern finds in a text."""
    found = numbers(pattern, text)
    assert len(found) == 1, (pattern, found)
    return found[0]


def numbers(pattern: str, text: str) -> list[int]:
    """Every number that a pattern finds in a text."""
    return [int(found) for found in re.findall(pattern, text, re.MULTILINE)]


def refuse_uncounted(running: Iterable[str], *, counted: set[str]) -> None:
    """Fails on what runs besides: its connections would come on top of the plan's."""
    besides = sorted(set(running) - counted)
    assert not besides, (
        f"{', '.join(besides)} is not in the plan. Keep what connections it takes free in RESERVED_CONNECTIONS, "
        "and then add it to what is counted here."
    )


def bytes_of(size: str | int) -> int:
    """Bytes of a size as platforms write it: ``512M``, ``1gb``, ``2Gi``, or bytes alone."""
    found = re.fullmatch(r"(\d+)([kmgt]?)(i?)b?", str(size), re.IGNORECASE)
    assert found, f"{size} is no size in bytes"
    count, prefix, binary = found.groups()
    return int(count) * (1_024 if binary else 1_000) ** ("kmgt".find(prefix.lower()) + 1 if prefix else 0)


def seconds_of(duration: str) -> int:
    """Seconds of a duration as platforms write it: ``90s``, ``1m30s``, ``2min``, or seconds alone."""
    assert re.fullmatch(r"(\d+(h|min|m|s)? ?)+", duration), f"{duration} is no duration"
    units = {"h": 3_600, "min": 60, "m": 60, "s": 1, "": 1}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(h|min|m|s|)", duration))


def read(path: str) -> str:
    """The text of a file of the service."""
    return (ROOT / path).read_text()


def variables_in(lines: Iterable[str]) -> dict[str, str]:
    """What lines of ``NAME=value`` say; comments say nothing."""
    pairs = (line.strip().partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name: value.strip("\"'") for name, _, value in pairs}


def _stand_in(name: str) -> str:
    # The database of migrations has no default of its own.
    name = name.removeprefix("MIGRATION_")
    return str(Settings.model_fields[VARIABLES[name]].default) if name in ADDRESSES else "0" * 64
