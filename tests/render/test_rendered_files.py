"""Each row's files: clean, complete, and written for this one service."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from matrix import ROOT, Row, name_of, rows_with_every_choice
from rendered import files_of, newest_release, program

# What a service must not speak of, by the answer that it was not given.
FOREIGN_WORDS = {
    ("database", "sqlite"): r"postgres|asyncpg|mysql|mariadb|asyncmy",
    ("database", "postgresql"): r"sqlite|mysql|mariadb|asyncmy",
    ("database", "mysql"): r"sqlite|postgres|asyncpg|psql",
    ("pgbouncer", False): r"pgbouncer|migration_database_url",
    ("worker_strategy", "single"): r"granian|gunicorn|hypercorn|multiproc",
    ("worker_strategy", "uvicorn"): r"granian|gunicorn|hypercorn",
    ("worker_strategy", "gunicorn"): r"granian|hypercorn|uvicorn",
    ("worker_strategy", "granian"): r"gunicorn|hypercorn|uvicorn",
    ("worker_strategy", "hypercorn"): r"granian|gunicorn|uvicorn",
    ("task_queue", "none"): r"celery|broker|rabbitmq|amqp",
    ("task_queue", "celery-redis"): r"BackgroundTasks|rabbitmq|amqp",
    ("task_queue", "celery-rabbitmq"): r"BackgroundTasks|visibility_timeout|\bbroker is Redis",
    ("cache_backend", "memory"): r"RedisStore|NearStore|redis_url|cache_near|memcached",
    ("cache_backend", "redis"): r"MemoryStore|memcached",
    ("cache_backend", "memcached"): r"MemoryStore|RedisStore|NearStore|redis_url|cache_near|cache_memory",
    ("cache_backend", "none"): (
        r"ResponseCache|RedisStore|NearStore|MemoryStore|memcached|cache_(memory|body)_bytes|invalidation"
    ),
}
WORDS_OF_PLACES = {
    "compose": r"docker compose|compose\.yaml",
    "systemd": r"systemd|systemctl",
    "kubernetes": r"kube",
    "render": r"render\.yaml|\bonrender\b",
    "fly": r"\bfly\b",
    "heroku": r"heroku|procfile|\bdynos?\b",
}
GENERATOR_WORDS = r"paceline|jinja|cookiecutter|\bquestionnaire\b|\btemplate option\b"
# The formula knows every database, and the words of a deployment every store; the answers are copier's own.
SHARED_FILES = {"app/capacity.py", "tests/deployment.py", ".copier-answers.yml"}
LEFTOVERS = re.compile(r"\{%|%\}|\{#|^<<<<<<<|^>>>>>>>", re.MULTILINE)


def _texts(service: Path) -> dict[str, str]:
    return {str(file): (service / file).read_text() for file in files_of(service) if file.suffix not in (".pyc", ".db")}


def test_no_row_has_lint_or_format_to_mend(services: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", str(services)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_types_hold(service: Path) -> None:
    command = [program("ty"), "check", "--quiet", "--output-format", "concise", "--python", sys.prefix, "."]
    done = subprocess.run(command, cwd=service, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_python_file_compiles(service: Path) -> None:
    for file in service.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")


def test_no_folder_is_empty(service: Path) -> None:
    folders = [folder for folder in service.rglob("*") if folder.is_dir()]
    assert [folder for folder in folders if not any(folder.iterdir())] == []


def test_every_configuration_file_parses(service: Path) -> None:
    for name, text in _texts(service).items():
        if name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith((".yml", ".yaml")):
            list(yaml.safe_load_all(text))


def test_no_file_holds_anything_of_the_template(service: Path) -> None:
    for name, text in _texts(service).items():
        assert not LEFTOVERS.search(text), name
        if not name.startswith(".github/"):
            assert "{{" not in text.replace("${{", ""), name


def test_no_file_speaks_of_an_option_that_was_not_taken(service: Path, row: Row) -> None:
    texts = {name: text for name, text in _texts(service).items() if name not in SHARED_FILES}
    foreign = [re.compile(FOREIGN_WORDS[answer], re.IGNORECASE) for answer in row.items() if answer in FOREIGN_WORDS]
    elsewhere = [words for place, words in WORDS_OF_PLACES.items() if place != row["deployment_target"]]
    foreign.append(re.compile("|".join(elsewhere), re.IGNORECASE))
    for name, text in texts.items():
        for word in (*foreign, re.compile(GENERATOR_WORDS, re.IGNORECASE)):
            assert [match[0] for match in word.finditer(text)] == [], name


def test_no_file_has_blank_lines_to_spare(service: Path) -> None:
    for name, text in _texts(service).items():
        assert "\n\n\n\n" not in text, name
        assert not text.startswith("\n"), name
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), name
        if not name.endswith((".py", ".md", ".mako")):
            assert "\n\n\n" not in text, name


def test_the_service_plans_with_the_formula_itself(service: Path) -> None:
    formula = ROOT / "generator" / "paceline" / "capacity.py"
    assert (service / "app" / "capacity.py").read_bytes() == formula.read_bytes()


# A dependency comes with a choice, not with a pair of them.
@pytest.mark.parametrize("row", rows_with_every_choice(), ids=name_of, indirect=True)
def test_its_dependencies_resolve_on_every_python(service: Path, tmp_path: Path) -> None:
    # One lock holds for every Python that the service allows: 3.11 and all later ones.
    (tmp_path / "pyproject.toml").write_bytes((service / "pyproject.toml").read_bytes())
    command = [program("uv"), "lock", "--python", sys.executable, "--exclude-newer", newest_release()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lock = tomllib.loads((tmp_path / "uv.lock").read_text())
    assert lock["requires-python"] == ">=3.11"
    assert {"fastapi", "sqlalchemy"} <= {package["name"] for package in lock["package"]}
