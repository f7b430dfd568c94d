"""What compose.yaml and nginx.conf say, when .env holds only secrets."""

import re
from typing import Any

import yaml

from tests import image
from tests.deployment import DeployedService, Role, bytes_of, number, numbers, read, refuse_uncounted, seconds_of

compose = yaml.safe_load(read("compose.yaml"))
nginx = read("deploy/nginx.conf")


def deployed() -> DeployedService:
    """The service as Docker Compose runs it on one host."""
    services = own_services()
    refuse_uncounted(services, counted={"api", "worker", "migrate"})
    port = number(r"server api:(\d+) resolve", nginx)
    return DeployedService(
        web=_role(services["api"]),
        migration=_role(services["migrate"]),
        tasks=_role(services["worker"]) if "worker" in services else None,
        ports={"image": image.port(), "nginx": port},
        live_paths={"image": image.health_path(), "nginx": _asked(compose["services"]["proxy"])},
        proxy_timeouts={"nginx": number(r"proxy_read_timeout (\d+)s;", nginx)},
        proxy_keep_alives={
            f"nginx {place}": seconds for place, seconds in enumerate(numbers(r"\bkeepalive_timeout (\d+)s;", nginx))
        },
    )


def own_services() -> dict[str, dict[str, Any]]:
    """The containers of the service's own image, by their names."""
    return {
        name: said for name, said in compose["services"].items() if said.get("image") == compose["x-service"]["image"]
    }


def interpolate(value: object) -> str:
    """A value with what Compose puts in: defaults, and zeros for secrets."""
    text = re.sub(r"\$\{\w+:\?[^}]*\}", "0" * 64, str(value))
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def _asked(service: dict[str, Any]) -> str:
    (path,) = re.findall(r"http://127\.0\.0\.1:\d+(/\S*)", service["healthcheck"]["test"][-1])
    return path


def _role(service: dict[str, Any]) -> Role:
    besides = service.keys() & {"entrypoint", "privileged", "stop_signal", "user"}
    assert not besides, f"{', '.join(besides)} changes what the image says, and is not read here"
    deploy = service.get("deploy", {})
    limits = deploy.get("resources", {}).get("limits", {})
    replicas = int(interpolate(deploy.get("replicas", 1)))
    told = {name: interpolate(value) for name, value in service["environment"].items()}
    return Role(
        command=" ".join(service.get("command", [])) or image.command(),
        environment=image.environment() | told,
        grace_period=seconds_of(service["stop_grace_period"]),
        replicas=replicas,
        # A container is replaced by stopping it first.
        replicas_at_peak=replicas,
        cpu_cores=float(limits["cpus"]) if limits else None,
        memory=bytes_of(limits["memory"]) if limits else None,
        user=image.user(),
    )
