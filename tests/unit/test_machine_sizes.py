"""The machines of platforms: each list well-formed, with a source, and offered as far as it reaches."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import copier
import pytest
import yaml

from matrix import ROOT, choices
from rendered import copy_template

FILE = ROOT / "generator" / "paceline" / "machine_sizes.yml"
PLATFORMS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))


def of_platform(platform: dict[str, Any]) -> str:
    return platform["target"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_template(tmp_path_factory.mktemp("template"))


def ask(template: Path, **answers: object) -> dict[str, Any]:
    worker = copier.run_copy(
        str(template),
        template.parent / "service",
        data={"database": "postgresql", "max_connections": 10_000, **answers},
        settings=copier.Settings(),
        defaults=True,
        pretend=True,
        quiet=True,
    )
    return dict(worker.answers.combined)


@pytest.mark.parametrize("platform", PLATFORMS, ids=of_platform)
def test_a_platform_states_its_page_its_words_and_the_day_they_were_read(platform: dict[str, Any]) -> None:
    assert set(platform) == {"platform", "target", "source", "read_on", "says", "sizes"}
    assert platform["target"] in choices()["deployment_target"]
    page = urlsplit(platform["source"])
    assert page.scheme == "https"
    assert "." in page.netloc
    assert platform["read_on"] <= datetime.now(tz=UTC).date()


@pytest.mark.parametrize("platform", PLATFORMS, ids=of_platform)
def test_a_size_has_a_name_and_numbers_and_the_last_is_the_largest(platform: dict[str, Any]) -> None:
    sizes = list(platform["sizes"].values())
    for name, size in platform["sizes"].items():
        assert re.fullmatch(r"[a-z][a-z0-9]*([ -][a-z0-9]+)*", name)
        assert {"cpus", "memory"} <= set(size) <= {"cpus", "memory", "most_memory"}
        assert 0 < size["memory"] <= size.get("most_memory", size["memory"])
    for fact in ("cpus", "memory"):
        assert sizes[-1][fact] == max(size[fact] for size in sizes)
    assert [size["memory"] for size in sizes] == sorted(size["memory"] for size in sizes)


def test_platforms_are_sorted_by_name() -> None:
    names = [platform["platform"] for platform in PLATFORMS]
    assert names == sorted(set(names))


@pytest.mark.parametrize("platform", PLATFORMS, ids=of_platform)
def test_a_service_gets_the_smallest_machine_that_suffices(template: Path, platform: dict[str, Any]) -> None:
    target, sizes = platform["target"], platform["sizes"]
    for cores, workers, concurrency in ((1, 1, 1), (1, 7, 2), (2, 2, 5), (4, 9, 4), (8, 17, 8), (8, 90, 100)):
        answers = ask(
            template,
            deployment_target=target,
            worker_strategy="uvicorn",
            task_queue="celery-redis",
            cpu_cores=cores,
            workers=workers,
            task_concurrency=concurrency,
        )
        for chosen, processes in (("web_size", workers), ("task_size", concurrency)):
            sufficient = [
                name
                for name, size in sizes.items()
                if size["cpus"] >= cores and size.get("most_memory", size["memory"]) >= 256 * (processes + 1)
            ]
            assert answers[chosen] == sufficient[0]


@pytest.mark.parametrize("platform", PLATFORMS, ids=of_platform)
def test_more_than_the_largest_machine_is_refused(template: Path, platform: dict[str, Any]) -> None:
    largest = list(platform["sizes"].values())[-1]
    asked = {"deployment_target": platform["target"], "worker_strategy": "uvicorn", "task_queue": "celery-redis"}
    with pytest.raises(ValueError, match=rf"has {largest['cpus']} cores, not {largest['cpus'] + 1}; run more replicas"):
        ask(template, **asked, cpu_cores=largest["cpus"] + 1)
    most = min(largest.get("most_memory", largest["memory"]) // 256 - 1, 512)
    for name in {"workers"} if most < 512 else set():
        with pytest.raises(ValueError, match=rf"is enough for {most} processes, not {most + 1}; run more replicas"):
            ask(template, **asked, **{name: most + 1})
    if most < 256:
        with pytest.raises(ValueError, match=rf"is enough for {most} processes, not {most + 1}; run more replicas"):
            ask(template, **asked, task_concurrency=most + 1)


def test_where_the_owner_chooses_the_machine_any_number_of_cores_is_accepted(template: Path) -> None:
    answers = ask(template, deployment_target="kubernetes", cpu_cores=256)
    assert answers["web_size"] == answers["task_size"] == ""


@pytest.mark.parametrize("name", ["replicas", "task_replicas"])
def test_more_instances_than_render_runs_are_refused(template: Path, name: str) -> None:
    answers = {"deployment_target": "render", "task_queue": "celery-redis"}
    assert ask(template, **answers, **{name: 100})[name] == 100
    with pytest.raises(ValueError, match=r"at most 100 instances of a service .*, not 101"):
        ask(template, **answers, **{name: 101})
