"""What fly.toml says, and the commands of the README that say the rest: how many machines, and which secrets."""

import re
import tomllib
from typing import Any

from tests import image
from tests.deployment import DeployedService, Role, bytes_of, number, read, refuse_uncounted

fly: dict[str, Any] = tomllib.loads(read("fly.toml"))
commands = "\n".join(re.findall(r"```sh\n(.*?)```", read("README.md").partition("\n## Deploy\n")[2], re.DOTALL))


def deployed() -> DeployedService:
    """The service as Fly.io runs it after the README's commands."""
    http = fly["http_service"]
    counts = dict(re.findall(r"(\w+)=(\d+)", *re.findall(r"^fly scale count --yes (.*)$", commands, re.MULTILINE)))
    refuse_uncounted(counts.keys() | fly["processes"], counted={"web", "worker"})
    machines = {name: _role(name, int(count)) for name, count in counts.items()}
    (check,), (metrics,) = http["checks"], fly["metrics"]
    return DeployedService(
        web=machines["web"],
        migration=Role(
            command=fly["deploy"]["release_command"],
            environment=environment(),
            secrets=secrets(),
            grace_period=fly["kill_timeout"],
            user=image.user(),
        ),
        tasks=machines.get("worker"),
        ports={
            "image": image.port(),
            "proxy": http["internal_port"],
            "metrics": metrics["port"],
        },
        live_paths={"image": image.health_path()},
        ready_paths={"proxy": check["path"]},
        proxy_timeouts={"proxy": http["http_options"]["idle_timeout"]},
    )


def environment() -> dict[str, str]:
    """The variables of every machine."""
    return image.environment() | fly["env"]


def secrets() -> frozenset[str]:
    """The names that the README's command sets, each on a line of its own."""
    return frozenset(re.findall(r"^  ([A-Z_]+)=", commands, re.MULTILINE))


def _role(name: str, count: int) -> Role:
    (machine,) = (machine for machine in fly["vm"] if name in machine["processes"])
    return Role(
        command=fly["processes"][name],
        environment=environment(),
        secrets=secrets(),
        grace_period=fly["kill_timeout"] if fly["kill_signal"] == "SIGTERM" else 0,
        replicas=count,
        # https://fly.io/docs/launch/deploy/#deployment-strategy
        replicas_at_peak={"rolling": 1, "bluegreen": 2}[fly["deploy"]["strategy"]] * count,
        # As in shared-cpu-2x and performance-2x.
        cpu_cores=number(r"-(\d+)x$", machine["size"]),
        memory=bytes_of(machine["memory"]),
        user=image.user(),
    )
