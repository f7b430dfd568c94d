"""A change of the template reaches services of every released version, and costs their people nothing of their own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from environments import own_environment
from isolation import isolated
from matrix import choices, combinations_in, rows
from rendered import program
from update.compatibility import lost_answers, single_choices, unnamed_files, usual_answers
from update.observations import Command, tree
from update.releases import HEAD, OLDER, REMOVED, edit, make_history, releases
from update.services import commit, make_service
from update.small_template import add_version, git

VERSIONS = [OLDER, *releases()]
STARTER = {"advanced": True, "page_size_limit": 77}
PLATFORM = {
    "database": "postgresql",
    "cache_backend": "redis",
    "worker_strategy": "uvicorn",
    "task_queue": "celery-redis",
}

ROUTER = '''"""Orders."""

from fastapi import APIRouter

from app.dependencies import SettingsDep

router = APIRouter(tags=["orders"])


@router.get("/orders/most")
async def most_orders(settings: SettingsDep) -> dict[str, int]:
    """How many may be open at once."""
    return {"most": settings.orders_limit}
'''
MODEL = '''"""Orders."""

from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Order(Base):
    """What somebody has ordered."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
'''
MIGRATION = '''"""Create the orders."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.models.base import Identifier

revision: str = "0002"
down_revision: str | None = {before}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table("orders", sa.Column("id", Identifier(), primary_key=True))


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("orders")
'''
EDITS = {
    "Dockerfile": {"EXPOSE 8000\n": 'EXPOSE 8000\nLABEL team="orders"\n'},
    "README.md": {"`uvx pre-commit install` runs": "Ask Ada first.\n\n`uvx pre-commit install` runs"},
    "app/config.py": {
        "    # Your own settings:\n": "    # Your own settings:\n    orders_limit: int = 3\n",
        "debug: bool = False\n": "debug: bool = False\n    trace: bool = False\n",
        "cache_body_bytes: int = Field(default=1024 * 1024": "cache_body_bytes: int = Field(default=2048 * 1024",
    },
    "app/models/__init__.py": {
        "from app.models.base import Base\n": "from app.models.base import Base\nfrom app.models.order import Order\n",
        '    "Base",\n': '    "Base",\n    "Order",\n',
    },
    "app/routers/__init__.py": {
        "    health,\n": "    health,\n    orders,\n",
        "    # Your own:\n": "    # Your own:\n    orders.router,\n",
    },
    "pyproject.toml": {"  # Your own dependencies:\n": '  # Your own dependencies:\n  "orjson>=3.11,<4",\n'},
}


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory, pristine_template: Path) -> Path:
    """The bare repository of the real template in all its versions."""
    assert pristine_template.is_dir()
    with isolated(tmp_path_factory.mktemp("home")):
        return make_history(tmp_path_factory.mktemp("history"))


def work_as_a_team(service: Path, binaries: Path, *, keeps_example: bool) -> None:
    """Edits as teams make them."""
    if not keeps_example:
        delete_example(service, binaries)
    for name, changes in EDITS.items():
        edit(service / name, changes)
    (service / "app" / "routers" / "orders.py").write_text(ROUTER)
    (service / "app" / "models" / "order.py").write_text(MODEL)
    before = '"0001"' if keeps_example else None
    (service / "migrations" / "versions" / "0002_orders.py").write_text(MIGRATION.format(before=before))
    edit(service / ".env.example", {"# Signs bearer tokens.": "ORDERS_LIMIT=3\n\n# Signs bearer tokens."})
    commit(service)


def delete_example(service: Path, binaries: Path) -> None:
    """Run the README's own commands, but for the tests."""
    section = (service / "README.md").read_text().split("## Delete the example")[1]
    commands = section.split("```sh\n")[1].split("```")[0].replace("uv run pytest\n", "")
    own = Path(sys.executable).parent
    (binaries / "uv").write_text(f'#!/bin/sh\nshift\nexec {own}/"$@"\n')
    (binaries / "uv").chmod(0o755)
    run("bash", "-euo", "pipefail", "-c", commands, cwd=service)
    (binaries / "uv").unlink()


def run(*command: str, cwd: Path) -> str:
    """What a command prints, in an environment that is not this one's."""
    done = subprocess.run(command, cwd=cwd, env=own_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]
    return done.stdout


def check_edits(service: Path) -> None:
    """All that the team wrote is there, and so is what the template changed."""
    for name, changes in EDITS.items():
        text = (service / name).read_text()
        for added in changes.values():
            assert set(added.splitlines()) <= set(text.splitlines()) or added in text, name
    assert (service / "app" / "routers" / "orders.py").read_text() == ROUTER
    assert (service / "app" / "models" / "order.py").read_text() == MODEL
    assert "ORDERS_LIMIT=3" in (service / ".env.example").read_text()
    assert (service / "migrations" / "versions" / "0002_orders.py").is_file()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_starter_of_every_version_keeps_its_edits_and_passes_its_tests(
    paceline: Command, history: Path, tmp_path: Path, binaries: Path, version: str
) -> None:
    service = make_service(history, tmp_path / "demo", version, STARTER if version == OLDER else {})
    work_as_a_team(service, binaries, keeps_example=False)
    result = paceline("update", service, "--ref", HEAD)
    assert result.exit_code == 0, result.output
    git(service, "merge", "--quiet", f"paceline/update-{HEAD}")
    check_edits(service)
    assert not (service / "tests" / "example").exists()
    assert not (service / "app" / "models" / "item.py").exists()
    assert "# example" not in (service / "app" / "config.py").read_text()
    if version == OLDER:
        assert "page_size_max: 77" in (service / ".copier-answers.yml").read_text()
        assert "PAGE_SIZE_MAX = 77" in (service / "app" / "pagination.py").read_text()
        assert "upstream_timeout: float" in (service / "app" / "config.py").read_text()
        assert "fastapi>=0.165,<0.166" in (service / "pyproject.toml").read_text()
        assert not (service / "app" / "forgotten.py").exists()
        assert "new      UPSTREAM_TIMEOUT (default 2.0): Seconds for one answer" in result.stdout
    assert " passed" in run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=service)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_platform_of_every_version_keeps_its_edits_beside_the_example(
    paceline: Command, history: Path, tmp_path: Path, binaries: Path, version: str
) -> None:
    service = make_service(history, tmp_path / "demo", version, PLATFORM)
    work_as_a_team(service, binaries, keeps_example=True)
    result = paceline("update", service, "--ref", HEAD, "--set", "replicas=3")
    assert result.exit_code == 0, result.output
    assert "\nPlan\n" in result.stdout
    git(service, "merge", "--quiet", f"paceline/update-{HEAD}-replicas-3")
    check_edits(service)
    fast = ["tests/test_rules.py", "tests/test_settings.py", "tests/test_capacity.py", "tests/test_compose.py"]
    assert " passed" in run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *fast, cwd=service)


def walk() -> list[dict[str, Any]]:
    """Rows in which each choice stands at least once, and the first of them again."""
    found: list[dict[str, Any]] = []
    missing = {(name, answer) for name, answers in choices().items() for answer in answers}
    while missing:
        found.append(max(rows(), key=lambda row: len(missing & row.items())))
        missing -= found[-1].items()
    return [*found, found[0]]


def test_each_choice_can_be_taken_and_taken_back(history: Path, tmp_path: Path) -> None:
    import copier

    first, *others = walk()
    assert len({pair for row in others for pair in combinations_in(row, 1)}) == sum(map(len, choices().values()))
    service = make_service(history, tmp_path / "demo", HEAD, first)
    made = tree(service, "HEAD")
    for row in others:
        copier.run_update(
            service, data=row, vcs_ref=HEAD, defaults=True, overwrite=True, quiet=True, settings=copier.Settings()
        )
        commit(service)
    assert tree(service, "HEAD") == made


def test_files_that_are_gone_are_named_in_the_notes(history: Path) -> None:
    assert unnamed_files(history, OLDER, HEAD) == [REMOVED.removeprefix("template/")]
    assert [name for version in releases() for name in unnamed_files(history, version, HEAD)] == []


def test_no_answer_of_a_released_version_is_lost(history: Path) -> None:
    answers = usual_answers()
    assert [lost for version in releases() for lost in lost_answers(history, version, HEAD, answers)] == []


def test_the_answer_to_a_renamed_question_is_missed_where_no_note_names_it(history: Path) -> None:
    assert lost_answers(history, OLDER, HEAD, [{"advanced": True}]) == ["page_size_limit: 100"]


def test_no_choice_of_the_newest_release_is_lost(history: Path) -> None:
    newest = releases()[-1:]
    assert [lost_answers(history, version, HEAD, single_choices(history, version)) for version in newest] in ([], [[]])


def test_a_file_that_is_gone_without_a_note_is_seen(pristine_template: Path) -> None:
    assert unnamed_files(pristine_template, "v1.0.0", "v1.1.0") == ["app/legacy.py"]


def test_a_note_on_it_is_enough_and_so_is_another_suffix(template: Path) -> None:
    notes = git(template, "show", "v1.1.0:UPGRADING.md").replace(
        "Set `API_KEY`", "`app/legacy.py` is gone. Set `API_KEY`"
    )
    moved = git(template, "show", "v1.2.0:template/app/main.py")
    changes = {"UPGRADING.md": notes, "template/app/main.py": None, "template/app/main.py.jinja": moved}
    add_version(template, "v2.0.1", changes)
    assert unnamed_files(template, "v1.0.0", "v2.0.1") == []


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("choices: [sqlite, postgresql]", "choices: [sqlite, mysql]", ["database: postgresql", "replicas: 1"]),
        ("default: 30", "default: 30\n  when: false", ["retention: 30"]),
        ("retention:", "keep_days:", ["retention: 30"]),
        ('when: "{{ database', 'when: "{{ false and database', ["replicas: 1"]),
    ],
)
def test_an_answer_that_would_be_lost_is_seen(template: Path, old: str, new: str, lost: list[str]) -> None:
    questions = git(template, "show", "v1.0.0:copier.yml")
    assert old in questions
    notes = git(template, "show", "v1.0.0:UPGRADING.md").replace("`retention`", "It")
    add_version(template, "v2.0.1", {"copier.yml": questions.replace(old, new), "UPGRADING.md": notes})
    assert lost_answers(template, "v1.0.0", "v2.0.1", [{}, *single_choices(template, "v1.0.0")]) == lost


def test_answers_that_stay_are_not_called_lost(template: Path) -> None:
    assert lost_answers(template, "v1.0.0", "v1.1.0", [{}, *single_choices(template, "v1.0.0")]) == []


@pytest.fixture
def step(history: Path) -> Callable[[Path], int]:
    """The status with which the step of a service's workflow ends in a repository."""
    source = git(history, "show", f"{HEAD}:template/.github/workflows/ci.yml.jinja")
    lines = [line for line in source.splitlines() if not line.startswith("{%") and "{{" not in line]
    steps = yaml.safe_load("\n".join(lines))["jobs"]["check"]["steps"]
    command = next(step["run"] for step in steps if step.get("name") == "No merge conflict markers")

    def run_step(repository: Path) -> int:
        # As GitHub's runner calls it: https://docs.github.com/actions/reference/workflow-syntax-for-github-actions
        script = ["bash", "-e", "-c", command]
        return subprocess.run(script, cwd=repository, capture_output=True, check=False).returncode

    return run_step


def test_the_services_workflow_fails_on_what_a_conflict_leaves(
    step: Callable[[Path], int], service: Path, tmp_path: Path
) -> None:
    (service / "app" / "main.py").write_text('"""The service."""\n\nGREETING = "ours"\n')
    commit(service)
    assert step(service) == 0
    plain = tmp_path / "plain"
    git(service.parent, "clone", "--quiet", service, plain)
    run(program("copier"), "update", "--defaults", "--skip-answered", "--vcs-ref", "v1.1.0", cwd=plain)
    git(plain, "commit", "--quiet", "--all", "--message", "As a bot does")
    assert step(plain) == 1


def test_the_services_workflow_passes_on_a_heading_that_is_underlined(
    step: Callable[[Path], int], service: Path
) -> None:
    (service / "NOTES.md").write_text("Title\n=======\n\n> quoted\n>> twice\n\n<<< old\n")
    commit(service)
    assert step(service) == 0
