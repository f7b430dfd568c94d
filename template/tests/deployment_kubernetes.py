"""What the manifests of the base and of the overlay for production say."""

from typing import Any

import yaml

from tests import image
from tests.conftest import ROOT
from tests.deployment import DeployedService, Role, bytes_of, read, refuse_uncounted, variables_in

BASE = "deploy/kubernetes/base"
PRODUCTION = "deploy/kubernetes/overlays/production"
WORKLOADS = ("Deployment", "StatefulSet", "Job")

# What a kustomization may say besides its resources, because it is read here.
_READ = {BASE: {"labels", "configMapGenerator", "generatorOptions"}, PRODUCTION: {"namespace", "images"}}

Manifest = dict[str, Any]


def manifests() -> dict[tuple[str, str], Manifest]:
    """Every resource that is applied, by its kind and name."""
    paths = [path for directory in (BASE, PRODUCTION) for path in _listed_in(directory)]
    found = [manifest for path in paths for manifest in yaml.safe_load_all(read(path))]
    named = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}
    assert len(named) == len(found), "two resources of one name"
    return named


def kustomization(directory: str) -> Manifest:
    """What the kustomization in a directory says."""
    said = yaml.safe_load(read(f"{directory}/kustomization.yaml"))
    unread = said.keys() - {"apiVersion", "kind", "resources"} - _READ[directory]
    unread |= {key for each in said.get("configMapGenerator", []) for key in each} - {"name", "envs", "files"}
    assert not unread, (
        f"{', '.join(sorted(unread))} in {directory} changes what runs, and nothing here sees it: "
        "write it into the manifests, or read it in tests/deployment_kubernetes.py"
    )
    return said


def settings_of(container: Manifest) -> dict[str, str]:
    """What a container is told in words."""
    told: dict[str, str] = {}
    for source in container.get("envFrom", []):
        (generated,) = (
            each for each in kustomization(BASE)["configMapGenerator"] if each["name"] == source["configMapRef"]["name"]
        )
        for file in generated["envs"]:
            told |= variables_in(read(f"{BASE}/{file}").splitlines())
    # A variable of the container itself goes before one of a ConfigMap.
    return told | {variable["name"]: variable["value"] for variable in container.get("env", []) if "value" in variable}


def secrets_of(container: Manifest) -> dict[str, tuple[str, str]]:
    """What a container is told by reference: variables, each with its Secret and the key there."""
    references = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"]
        for variable in container.get("env", [])
        if "valueFrom" in variable
    }
    return {name: (reference["name"], reference["key"]) for name, reference in references.items()}


def cores_of(quantity: str | float) -> float:
    """Cores of a quantity: ``2``, ``0.5`` or ``2500m``."""
    thousandths = str(quantity).removesuffix("m")
    return float(thousandths) / (1_000 if thousandths != str(quantity) else 1)


def only_container(workload: Manifest) -> Manifest:
    """The one container of a workload's pods."""
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return container


def deployed() -> DeployedService:
    """The service as the overlay for production runs it."""
    found = manifests()
    web, scaling = found["Deployment", "web"], found["HorizontalPodAutoscaler", "web"]
    tasks = found.get(("Deployment", "tasks"))
    container = only_container(web)
    own = [name for (_, name), manifest in found.items() if f"'image': '{container['image']}'" in str(manifest)]
    refuse_uncounted(own, counted={"web", "tasks", "migration"})
    return DeployedService(
        web=_role(web, replicas=scaling["spec"]["maxReplicas"]),
        migration=_role(found["Job", "migration"]),
        tasks=_role(tasks, replicas=tasks["spec"]["replicas"]) if tasks else None,
        ports=_ports(found, container),
        live_paths={"image": image.health_path()}
        | {probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")},
        ready_paths={"readinessProbe": container["readinessProbe"]["httpGet"]["path"]},
    )


def replicas_at_peak(deployment: Manifest, replicas: int) -> int:
    """The most pods of a rollout, with those that are still stopping.

    The controller keeps ``maxSurge`` pods more than there should be, not counting those that stop. When pods have to
    be ready for longer than others take to stop, no more of them stop at once than have started.
    """
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] == "Recreate":
        return replicas
    rolling = strategy["rollingUpdate"]
    assert rolling["maxUnavailable"] == 0, "pods stop before others are ready"
    starting = -(-replicas * int(rolling["maxSurge"].removesuffix("%")) // 100)
    pod = deployment["spec"]["template"]["spec"]
    if deployment["spec"].get("minReadySeconds", 0) < pod["terminationGracePeriodSeconds"]:
        return 2 * replicas
    return replicas + min(replicas, 2 * starting)


def _listed_in(directory: str) -> list[str]:
    files = [name for name in kustomization(directory)["resources"] if name != "../../base"]
    present = {file.name for file in (ROOT / directory).glob("*.yaml")} - {"kustomization.yaml"}
    assert set(files) == present, "a file that is not in its kustomization, or a resource that is not a file beside it"
    return [f"{directory}/{name}" for name in files]


def _role(workload: Manifest, replicas: int = 1) -> Role:
    pod, container = workload["spec"]["template"]["spec"], only_container(workload)
    before_stop = container.get("lifecycle", {}).get("preStop", {})
    assert before_stop.keys() <= {"sleep"}, "how long a preStop of this kind takes is not known here; use sleep"
    limits = container["resources"]["limits"]
    return Role(
        command=" ".join([*container["command"], *container.get("args", [])]),
        environment=image.environment() | settings_of(container),
        secrets=frozenset(secrets_of(container)),
        grace_period=pod["terminationGracePeriodSeconds"],
        notice=before_stop.get("sleep", {"seconds": 0})["seconds"],
        replicas=replicas,
        replicas_at_peak=replicas_at_peak(workload, replicas) if workload["kind"] == "Deployment" else replicas,
        cpu_cores=cores_of(limits["cpu"]) if "cpu" in limits else None,
        memory=bytes_of(limits["memory"]),
        user=str(pod["securityContext"]["runAsUser"]),
    )


def _ports(found: dict[tuple[str, str], Manifest], container: Manifest) -> dict[str, int]:
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    (service_port,) = found["Service", "web"]["spec"]["ports"]
    (admitted,) = found["NetworkPolicy", "web"]["spec"]["ingress"][0]["ports"]
    annotations = found["Deployment", "web"]["spec"]["template"]["metadata"]["annotations"]
    probes = {name: named[container[name]["httpGet"]["port"]] for name in container if name.endswith("Probe")}
    return probes | {
        "image": image.port(),
        "Service": named[service_port["targetPort"]],
        "NetworkPolicy": admitted["port"],
        "Prometheus": int(annotations["prometheus.io/port"]),
    }
