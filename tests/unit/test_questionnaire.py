"""``copier.yml`` itself, without rendering a service from it."""

import re
import shutil
from collections import Counter
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

import copier
import pytest
import yaml

from paceline.database_plans import CUSTOM, find_plan, read_plans

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template"
PLANS = "generator/paceline/database_plans.yml"
SIZES = ("generator/paceline/machine_sizes.yml", "generator/paceline/machine_sizes.jinja")
CONTENT: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
QUESTIONS: dict[str, dict[str, Any]] = {name: entry for name, entry in CONTENT.items() if not name.startswith("_")}
COMPUTED = {name for name, question in QUESTIONS.items() if question.get("when") is False}
ASKED = [name for name in QUESTIONS if name not in COMPUTED]

# What tools leave behind in the working tree, never rendered (see the first lines of _exclude).
LEFTOVERS = {"__pycache__", ".ruff_cache", ".pytest_cache", ".DS_Store"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The questionnaire in a plain directory, with no files to render."""
    directory = tmp_path_factory.mktemp("questionnaire")
    shutil.copy(ROOT / "copier.yml", directory)
    (directory / PLANS).parent.mkdir(parents=True)
    shutil.copy(ROOT / PLANS, directory / PLANS)
    for name in SIZES:
        shutil.copy(ROOT / name, directory / name)
    (directory / "template").mkdir()
    return directory


def ask(template: Path, **answers: object) -> dict[str, Any]:
    """What Copier makes of some answers and the defaults of the others."""
    worker = copier.run_copy(
        str(template),
        template.parent / "service",
        data=answers,
        # A developer's own settings can hold other defaults.
        settings=copier.Settings(),
        defaults=True,
        pretend=True,
        quiet=True,
    )
    return {name: worker.answers.combined[name] for name in QUESTIONS if name in worker.answers.combined}


def choices_of(name: str) -> list[str]:
    choices = QUESTIONS[name]["choices"]
    # Those of a template are the plans; tests of their own hold them.
    if isinstance(choices, str):
        return [CUSTOM]
    return [choice["value"] if isinstance(choice, dict) else choice for choice in choices.values()]


# Settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["_tasks", "_migrations", "_jinja_extensions", "_external_data"])
def test_rendering_needs_no_trust(setting: str) -> None:
    assert setting not in CONTENT


def test_blocks_leave_no_blank_lines_and_a_misspelt_name_is_an_error() -> None:
    assert CONTENT["_envops"] == {"trim_blocks": True, "lstrip_blocks": True, "undefined": "jinja2.StrictUndefined"}


# Questions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_the_name_of_a_variable(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_a_type_and_no_misspelt_key(name: str) -> None:
    question = QUESTIONS[name]
    assert question["type"] in {"str", "int", "bool"}
    assert set(question) <= {"type", "help", "default", "choices", "validator", "when"}


@pytest.mark.parametrize("name", ASKED)
def test_a_question_explains_itself_in_one_line(name: str) -> None:
    text = QUESTIONS[name]["help"]
    assert text == text.strip() != ""
    assert "\n" not in text
    assert len(text) <= 100
    assert not text.endswith((".", ":"))


@pytest.mark.parametrize("name", ASKED)
def test_a_question_has_a_default_of_its_type_among_its_choices(name: str) -> None:
    question = QUESTIONS[name]
    default = question["default"]
    if isinstance(default, str) and "{" in default:
        return  # Computed: rendered below.
    assert type(default).__name__ == question["type"]
    assert "choices" not in question or default in choices_of(name)


@pytest.mark.parametrize("name", [name for name in ASKED if isinstance(QUESTIONS[name].get("choices"), dict)])
def test_a_choice_is_a_word_with_a_line_of_its_own(name: str) -> None:
    labels = list(QUESTIONS[name]["choices"])
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*|3\.\d+", choice) for choice in choices_of(name))
    assert len(set(choices_of(name))) == len(labels)
    assert all(label.strip() == label != "" for label in labels)


@pytest.mark.parametrize("name", ASKED)
def test_a_rule_stands_where_the_prompt_holds_answers_to_it(name: str) -> None:
    # Copier's prompts validate what is typed, not what is picked from a list or confirmed.
    question = QUESTIONS[name]
    if name == "pgbouncer":
        return  # Asked only where its rule accepts each answer.
    assert "validator" not in question or ("choices" not in question and question["type"] != "bool")


@pytest.mark.parametrize("name", sorted(COMPUTED))
def test_a_computed_answer_cannot_be_set(template: Path, name: str) -> None:
    anything = {"str": "anything", "int": 1, "bool": True}[QUESTIONS[name]["type"]]
    with pytest.raises(ValueError, match=rf"'{name}': computed from [\w ]+; it cannot be set"):
        ask(template, **{name: anything})


# Defaults ---------------------------------------------------------------------------------------


def test_without_any_answer_every_question_has_one(template: Path) -> None:
    answers = ask(template)
    assert set(answers) == set(QUESTIONS)
    types = {"str": str, "int": int, "bool": bool}
    assert all(type(answers[name]) is types[question["type"]] for name, question in QUESTIONS.items())


@pytest.mark.parametrize(
    ("database", "worker_strategy", "task_queue"),
    list(product(*(choices_of(name) for name in ("database", "worker_strategy", "task_queue")))),
)
def test_the_default_of_every_question_that_is_asked_is_valid(
    template: Path, database: str, worker_strategy: str, task_queue: str
) -> None:
    answers = ask(template, database=database, worker_strategy=worker_strategy, task_queue=task_queue, advanced=True)
    assert set(answers) == set(QUESTIONS)


@pytest.mark.parametrize("cpu_cores", [1, 256])
@pytest.mark.parametrize("worker_rule", choices_of("worker_rule"))
def test_the_computed_defaults_are_valid_for_any_number_of_cores(
    template: Path, worker_rule: str, cpu_cores: int
) -> None:
    answers = ask(
        template,
        database="postgresql",
        worker_strategy="uvicorn",
        task_queue="celery-redis",
        advanced=True,
        worker_rule=worker_rule,
        cpu_cores=cpu_cores,
        max_connections=10_000,
    )
    by_rule = {"cores": cpu_cores, "twice-cores": 2 * cpu_cores, "twice-cores-plus-one": 2 * cpu_cores + 1}
    assert answers["workers"] == min(512, by_rule[worker_rule])
    assert answers["task_concurrency"] == cpu_cores


@pytest.mark.parametrize(("page_size", "largest"), [(1, 100), (100, 100), (101, 101), (1_000, 1_000)])
def test_the_largest_page_holds_a_page_of_the_default_size(template: Path, page_size: int, largest: int) -> None:
    assert ask(template, page_size_default=page_size, advanced=True)["page_size_max"] == largest


# Rules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my-service"),
        ("a", "a"),
        ("Shop_2 -  API", "shop-2-api"),
        ("fastapi demo", "fastapi-demo"),
        ("N" * 40, "n" * 40),
    ],
)
def test_a_name_becomes_the_name_of_a_package(template: Path, name: str, slug: str) -> None:
    assert ask(template, project_name=name)["project_slug"] == slug


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "2fast",
        "-x",
        "_x",
        "Ünder",
        "a/b",
        "a.b",
        'a"b',
        "a{{b",
        "two\nlines",
        "line\n",
        "N" * 41,
        "space ",
        "dash-",
    ],
)
def test_a_name_that_cannot_be_the_name_of_a_package_is_refused(template: Path, name: str) -> None:
    with pytest.raises(ValueError, match="the name starts with a letter, ends with a letter or digit"):
        ask(template, project_name=name)


@pytest.mark.parametrize("name", ["celery", "FastAPI", "Pydantic", "pydantic settings", "Prometheus_Client"])
def test_a_name_whose_package_is_a_dependency_is_refused(template: Path, name: str) -> None:
    with pytest.raises(ValueError, match="depends on a package of this name"):
        ask(template, project_name=name)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"replicas": 2}, "SQLite is one file on one machine, so 2 replicas cannot share it"),
        ({"rollout_surge": 25}, "SQLite is one file on one machine, so versions cannot run side by side"),
        ({"max_connections": 100}, "SQLite has no max_connections; choose postgresql or mysql"),
        ({"reserved_connections": 5}, "SQLite has no connections to reserve"),
        ({"database_share": 50}, "SQLite has no connections to share"),
        ({"task_queue": "celery-redis", "task_replicas": 2}, "so 2 replicas cannot share it"),
        ({"task_replicas": 1}, "there are no Celery workers without a task_queue"),
        ({"task_concurrency": 1}, "there are no Celery workers without a task_queue"),
        ({"workers": 2}, "worker_strategy single runs one process, not 2; choose uvicorn, gunicorn"),
        ({"page_size_default": 200, "page_size_max": 100}, r"between page_size_default \(200\) and 10000"),
        ({"pgbouncer": True}, "PgBouncer stands in front of PostgreSQL only, not of sqlite; choose postgresql"),
        ({"database": "oracle"}, "Invalid choice for 'database'"),
    ],
)
def test_an_answer_that_contradicts_another_is_refused_with_the_reason(
    template: Path, answers: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        ask(template, **answers)


# Plans of managed databases ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["azure-postgresql-b1ms", "neon-0.25-cu", "render-under-8gb"])
def test_a_plan_brings_its_limit_and_what_its_provider_reserves(template: Path, name: str) -> None:
    answers = ask(template, database="postgresql", database_plan=name)
    assert answers["max_connections"] == find_plan(name).connections
    assert answers["reserved_connections"] == find_plan(name).provider_reserved + 2


@pytest.mark.parametrize(("target", "kept"), [("render", 12), ("heroku", 5)])
def test_what_a_platform_keeps_of_its_own_database_is_reserved(template: Path, target: str, kept: int) -> None:
    own = ask(template, database="postgresql", deployment_target=target)
    assert (own["platform_database"], own["reserved_connections"]) == (True, kept)
    anothers = ask(template, database="postgresql", deployment_target=target, database_plan="azure-postgresql-b2s")
    assert anothers["platform_database"] is False
    assert ask(template, database="mysql", deployment_target=target)["platform_database"] is False


def test_every_plan_of_the_database_and_no_other_is_offered(template: Path) -> None:
    with pytest.raises(ValueError, match="is not in") as refusal:
        ask(template, database="postgresql", database_plan="none")
    offered = [plan.name for plan in read_plans() if plan.engine == "postgresql"]
    assert str([CUSTOM, *offered]) in str(refusal.value)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"max_connections": 80}, "azure-postgresql-b1ms accepts 50 connections, not 80"),
        ({"replicas": 34}, "34 connections are needed, but only 33 of 50 are usable"),
        ({"replicas": 34, "max_connections": 50}, "34 connections are needed, but only 33 of 50 are usable"),
        ({"replicas": 20, "database_share": 50}, "20 connections are needed, but only 16 of 50 are usable"),
        ({"replicas": 46, "reserved_connections": 5}, "46 connections are needed, but only 45 of 50 are usable"),
        ({"database": "sqlite"}, "'azure-postgresql-b1ms' is not in"),
    ],
)
def test_what_contradicts_a_plan_is_refused(template: Path, answers: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ask(template, **{"database": "postgresql", "database_plan": "azure-postgresql-b1ms", **answers})


def test_the_limit_of_a_plan_may_be_repeated(template: Path) -> None:
    plan = find_plan("azure-postgresql-b1ms")
    answers = ask(template, database="postgresql", database_plan=plan.name, max_connections=plan.connections)
    assert answers["max_connections"] == plan.connections


# Files ------------------------------------------------------------------------------------------


def paths_of_the_template() -> list[PurePosixPath]:
    paths = (PurePosixPath(path.relative_to(TEMPLATE).as_posix()) for path in TEMPLATE.rglob("*"))
    return sorted(path for path in paths if LEFTOVERS.isdisjoint(path.parts))


def test_the_paths_of_the_template_are_valid_on_windows() -> None:
    # Whoever clones the template has the Jinja expressions in its paths on disk, too.
    reserved = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
    paths = paths_of_the_template()
    assert paths
    for path in paths:
        for part in path.parts:
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]', part), path
            assert not part.endswith((".", " ")), path
            assert not reserved.fullmatch(part), path


def test_no_two_paths_of_the_template_differ_only_in_case() -> None:
    spellings = Counter(str(path).casefold() for path in paths_of_the_template())
    assert [path for path, count in spellings.items() if count > 1] == []


def test_no_file_is_there_both_as_a_template_and_as_it_is() -> None:
    paths = {str(path) for path in paths_of_the_template()}
    assert [path for path in paths if f"{path}.jinja" in paths] == []


def test_the_answers_are_written_where_updates_look_for_them() -> None:
    file = TEMPLATE / "{{ _copier_conf.answers_file }}.jinja"
    assert "_copier_answers" in file.read_text(encoding="utf-8")
    assert "_answers_file" not in CONTENT


def conditional_patterns() -> list[str]:
    blocks = [entry for entry in CONTENT["_exclude"] if "{%" in entry]
    lines = (line.strip() for block in blocks for line in re.sub(r"{%.*?%}", "", block).splitlines())
    return [line for line in lines if line]


@pytest.mark.parametrize("pattern", sorted(set(conditional_patterns())))
def test_a_conditional_file_exists(pattern: str) -> None:
    # A pattern that matches nothing would leave its file in every service, in silence.
    assert re.fullmatch(r"(/[\w.@-]+)+", pattern.replace("{{ project_slug }}", "service")), (
        "a literal path from the root of the service"
    )
    file = TEMPLATE / pattern.removeprefix("/")
    assert file.exists() or file.with_name(f"{file.name}.jinja").is_file()


def test_a_conditional_file_stands_in_the_table_once() -> None:
    assert [pattern for pattern, count in Counter(conditional_patterns()).items() if count > 1] == []


@pytest.mark.parametrize("leftover", ["__pycache__", "*.py[co]", ".DS_Store", ".ruff_cache"])
def test_what_tools_leave_in_the_template_is_never_rendered(leftover: str) -> None:
    assert leftover in CONTENT["_exclude"]


def test_no_service_is_named_like_a_package_that_it_depends_on() -> None:
    declared = (ROOT / "template" / "pyproject.toml.jinja").read_text()
    packages = set(re.findall(r'^  "([a-z0-9-]+)(?:\[[a-z]+\])?[=><]', declared, re.MULTILINE))
    assert len(packages) > 20
    rule = yaml.safe_load((ROOT / "copier.yml").read_text())["project_name"]["validator"]
    assert packages == set(re.findall(r'"([a-z0-9-]+)",', rule))
