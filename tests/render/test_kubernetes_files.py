"""The manifests build, and are what each supported Kubernetes takes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from filelock import FileLock

from debian import kustomize
from environments import own_environment
from matrix import Row, name_of, rows
from rendered import render

# The oldest with preStop's sleep (https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/), and the
# newest whose schemas there are.
VERSIONS = ("1.30", "1.37")

# More of everything than the rows have, which keep to the defaults of the numbers.
RICHER: dict[str, dict[str, Any]] = {
    "everything": {
        "cache_backend": "memcached",
        "worker_strategy": "gunicorn",
        "task_queue": "celery-rabbitmq",
        "pgbouncer": True,
        "replicas": 30,
        "task_replicas": 4,
        "grace_period": 90,
    },
    "one-version-at-a-time": {
        "cache_backend": "redis",
        "worker_strategy": "granian",
        "task_queue": "celery-redis",
        "rollout_surge": 0,
        "replicas": 3,
    },
    "many-small-ones": {"cache_backend": "none", "rollout_surge": 100, "replicas": 20, "grace_period": 3600},
}


@pytest.fixture(scope="session")
def deployments(services: Path, strength: int, run_directory: Path) -> dict[str, Path]:
    """The manifests of every row for Kubernetes, and of some with larger numbers."""
    found = {name_of(row): services / name_of(row) for row in rows(strength) if _is_for_kubernetes(row)}
    with FileLock(run_directory / "richer.lock"):
        for name, answers in RICHER.items():
            found[name] = run_directory / "richer" / name
            if not found[name].exists():
                common = {"deployment_target": "kubernetes", "database": "postgresql", "max_connections": 900}
                render(services.parent / "template", found[name], common | answers)
    return {name: service / "deploy" / "kubernetes" for name, service in found.items()}


@pytest.fixture(scope="session")
def built(deployments: dict[str, Path], run_directory: Path) -> dict[str, list[dict[str, Any]]]:
    """What each overlay applies."""
    with FileLock(run_directory / "kustomize.lock"):
        command = kustomize(run_directory)
    resources = {}
    for name, directory in deployments.items():
        for overlay in (directory / "overlays").iterdir():
            done = subprocess.run([*command, str(overlay)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{name}: {done.stderr}"
            # A deprecated field is a warning.
            assert done.stderr == "", name
            resources[f"{name}/{overlay.name}"] = list(yaml.safe_load_all(done.stdout))
    return resources


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_has_the_fields_that_kubernetes_knows(
    built: dict[str, list[dict[str, Any]]], version: str
) -> None:
    seen: set[str] = set()
    for name, resources in built.items():
        for resource in resources:
            # What rows have in common is looked at once: reading a schema takes longer than all else.
            if str(resource) in seen:
                continue
            seen.add(str(resource))
            try:
                kubernetes_validate.validate(resource, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{name}: {resource['kind']} {resource['metadata']['name']}: {error.message}")


def test_a_field_that_kubernetes_does_not_know_is_seen(built: dict[str, list[dict[str, Any]]]) -> None:
    deployment = next(each for each in built["everything/production"] if each["kind"] == "Deployment")
    misspelt = deployment | {"spec": deployment["spec"] | {"minReadySecond": 40}}
    with pytest.raises(kubernetes_validate.ValidationError, match="minReadySecond"):
        kubernetes_validate.validate(misspelt, VERSIONS[-1], strict=True)


def test_pods_are_told_the_settings_by_their_name_of_this_release(built: dict[str, list[dict[str, Any]]]) -> None:
    for name, resources in built.items():
        generated = {each["metadata"]["name"] for each in resources if each["kind"] == "ConfigMap"}
        pods = [each["spec"]["template"]["spec"] for each in resources if "template" in each.get("spec", {})]
        used = {
            source["configMapRef"]["name"]
            for pod in pods
            for container in pod["containers"]
            for source in container.get("envFrom", [])
        }
        used |= {
            source["configMap"]["name"]
            for pod in pods
            for volume in pod.get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
            if "configMap" in source
        }
        assert used == generated, name
        assert all(each.rpartition("-")[2] for each in generated), name


def test_all_is_in_one_namespace_with_one_image(built: dict[str, list[dict[str, Any]]]) -> None:
    for name, resources in built.items():
        (namespace,) = [each["metadata"]["name"] for each in resources if each["kind"] == "Namespace"]
        others = [each for each in resources if each["kind"] != "Namespace"]
        assert {each["metadata"]["namespace"] for each in others} == {namespace}, name
        images = {
            container["image"]
            for each in others
            if each["metadata"]["name"] in ("web", "tasks", "migration") and "template" in each["spec"]
            for container in each["spec"]["template"]["spec"]["containers"]
        }
        assert len(images) == 1, name
        assert "/" in images.pop(), name


def test_kustomize_changes_no_selector(built: dict[str, list[dict[str, Any]]]) -> None:
    # A Deployment refuses a new selector, so that a label added later would stop the next release.
    for name, resources in built.items():
        for resource in resources:
            if resource["kind"] in ("Deployment", "StatefulSet"):
                selector = resource["spec"]["selector"]
                assert selector == {"matchLabels": {"app.kubernetes.io/component": resource["metadata"]["name"]}}, name


@pytest.mark.parametrize("name", RICHER)
def test_larger_numbers_keep_to_the_contract_too(deployments: dict[str, Path], name: str) -> None:
    service = deployments[name].parent.parent
    tests = ["tests/test_deployment.py", "tests/test_kubernetes.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *tests]
    done = subprocess.run(command, cwd=service, env=own_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _is_for_kubernetes(row: Row) -> bool:
    return row["deployment_target"] == "kubernetes"
