"""``copier.yml`` accepts exactly the deployments that ``capacity.py`` accepts.

Copier takes some 0.1 s for each answer sheet, too slow for a grid. So the grid renders the rules of
``copier.yml`` itself, in Copier's order; a sample through Copier's API shows that this is the same.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import combinations, product
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import copier
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import FileSystemLoader, StrictUndefined, Template
from jinja2.exceptions import UndefinedError
from jinja2.sandbox import SandboxedEnvironment

from paceline import database_plans
from paceline.capacity import BOUNDS, CLIENTS_PER_CONNECTION, CONNECTIONS_CEILING, Deployment, plan
from paceline.database_plans import CUSTOM, DatabasePlan, find_plan, read_plans

QUESTIONNAIRE = Path(__file__).parents[2] / "copier.yml"
PLANS = "generator/paceline/database_plans.yml"
SIZES = ("generator/paceline/machine_sizes.yml", "generator/paceline/machine_sizes.jinja")

DEFAULT_MAX_CONNECTIONS = 100
DEFAULTS_OF_SERVERS = {"postgresql": DEFAULT_MAX_CONNECTIONS, "mysql": 151}

NO_TASKS = (0, 0)


class Facts(NamedTuple):
    """One cell of the grid: what is known about a deployment, as answers and as facts of the formula."""

    database: str = "postgresql"
    max_connections: int | None = DEFAULT_MAX_CONNECTIONS
    """None where the question is left to its default."""
    reserved_connections: int = 5
    database_share: int = 100
    replicas: int = 1
    rollout_surge: int = 0
    workers: int = 1
    tasks: tuple[int, int] | None = None
    """Task workers and the children of each; None without a task queue."""
    cpu_cores: int = 2
    grace_period: int = 30
    database_plan: str = CUSTOM
    """A plan's own limit is left to the plan."""
    pgbouncer: bool = False
    deployment_target: str = "compose"

    def answers(self) -> dict[str, Any]:
        answers: dict[str, Any] = {
            "database": self.database,
            # The single strategy has a rule of its own, which is no fact of the formula.
            "worker_strategy": "gunicorn",
            "task_queue": "none" if self.tasks is None else "celery-redis",
            "deployment_target": self.deployment_target,
            "cpu_cores": self.cpu_cores,
            "replicas": self.replicas,
            "workers": self.workers,
            "rollout_surge": self.rollout_surge,
            "grace_period": self.grace_period,
            "database_plan": self.database_plan,
        }
        if self.tasks is not None:
            answers["task_replicas"], answers["task_concurrency"] = self.tasks
        if self.database == "postgresql":
            answers["pgbouncer"] = self.pgbouncer
        if self.database != "sqlite":
            answers["reserved_connections"] = self.reserved_connections
            answers["database_share"] = self.database_share
            if self.max_connections is not None and self.database_plan == CUSTOM:
                answers["max_connections"] = self.max_connections
        return answers

    def refusal_of_the_formula(self) -> str | None:
        """What ``capacity.py`` says against these facts."""
        task_replicas, task_concurrency = self.tasks or NO_TASKS
        try:
            plan(
                Deployment(
                    max_connections=None if self.database == "sqlite" else self.max_connections,
                    reserved_connections=self.reserved_connections,
                    database_share=self.database_share,
                    replicas=self.replicas,
                    rollout_surge=self.rollout_surge,
                    stops_beside_starts=int(self.deployment_target == "kubernetes"),
                    workers=self.workers,
                    task_replicas=task_replicas,
                    task_concurrency=task_concurrency,
                    pgbouncer_instances=int(self.pgbouncer) if self.database == "postgresql" else None,
                    cpu_cores=self.cpu_cores,
                    grace_period=self.grace_period,
                )
            )
        except ValueError as error:
            return str(error)
        return None

    def smallest_max_connections(self) -> int:
        """About the least that the facts need, inside their ranges or not, for choosing cells on both sides of it."""
        task_replicas, task_concurrency = self.tasks or NO_TASKS
        needed = self._at_peak(self.replicas) * self.workers + self._at_peak(task_replicas) * task_concurrency
        if self.pgbouncer:
            needed = ceil(needed / CLIENTS_PER_CONNECTION)
        return self.reserved_connections + ceil(needed * 100 / max(1, self.database_share))

    def _at_peak(self, replicas: int) -> int:
        starting = ceil(replicas * self.rollout_surge / 100)
        if self.deployment_target == "kubernetes":
            return replicas + min(replicas, 2 * starting)
        return replicas + starting


# The rules without Copier -----------------------------------------------------------------------


class UnsetError(UndefinedError):
    """A default renders ``UNSET``: the question has none."""


UNSET = StrictUndefined(name="UNSET", exc=UnsetError)


class Rules:
    """The questions about facts, rendered in the way and the order in which Copier renders them."""

    def __init__(self) -> None:
        content: dict[str, Any] = yaml.safe_load(QUESTIONNAIRE.read_text(encoding="utf-8"))
        assert content["_envops"].pop("undefined") == "jinja2.StrictUndefined"
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader(QUESTIONNAIRE.parent),
            extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            **content["_envops"],
        )
        questions = {name: details for name, details in content.items() if not name.startswith("_")}
        self._others = {"advanced": False, "deployment_target": "compose", "worker_rule": "cores", "pgbouncer": False}
        self._defaults = {name: self._compile(details["default"]) for name, details in questions.items()}
        self._whens = {name: self._compile(details.get("when", True)) for name, details in questions.items()}
        self._validators = {name: self._compile(details.get("validator", "")) for name, details in questions.items()}
        self._choices_of_plans = self._compile(questions["database_plan"]["choices"])
        computed = {name for name, details in questions.items() if details.get("when") is False}
        numbers = [name for name in questions if name in BOUNDS or name in computed or name == "database_plan"]
        self._types = {name: questions[name]["type"] for name in numbers}
        self._facts = [name for name in numbers if self._types[name] != "str" or name == "database_plan"]

    def refusal(self, answers: Mapping[str, Any]) -> str | None:
        """What the first rule says that refuses the answers."""
        return self._ask({**self._others, **answers}, answers)

    def completed(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """The answers and the defaults of the other questions, as far as there are any."""
        known = {**self._others, **answers}
        self._ask(known, answers)
        return known

    def _ask(self, known: dict[str, Any], answers: Mapping[str, Any]) -> str | None:
        known.setdefault("offers_pgbouncer", known["database"] == "postgresql")
        for name in self._facts:
            is_asked = True
            if name == "database_plan":
                if complaint := self._refusal_of_plan(known):
                    return f"Invalid choice for 'database_plan': {complaint}"
                continue
            if name not in answers:
                is_asked = self._whens[name].render(known) == "True"
                default = self.default(name, known)
                if default is None:
                    if is_asked:
                        return f'Question "{name}" is required'
                    continue
                known[name] = default
            if is_asked and (complaint := self._validators[name].render(known).strip()):
                return f"Validation error for question '{name}': {complaint}"
        return None

    def _refusal_of_plan(self, known: Mapping[str, Any]) -> str:
        # Without a plan nothing is read: the grid has tens of thousands of cells.
        if known["database_plan"] == CUSTOM:
            return ""
        choices = yaml.load(self._choices_of_plans.render(known), Loader=yaml.CSafeLoader)
        offered = [choice for choice in choices.values() if choice != CUSTOM]
        return next(c.get("validator", "") for c in offered if c["value"] == known["database_plan"])

    def default(self, name: str, known: Mapping[str, Any]) -> int | None:
        try:
            default = self._defaults[name].render({**self._others, **known, "UNSET": UNSET})
        except UnsetError:
            return None
        return default == "True" if self._types[name] == "bool" else int(default)

    def _compile(self, value: object) -> Template:
        return self._environment.from_string(str(value))


@cache
def rules() -> Rules:
    return Rules()


# The grid ---------------------------------------------------------------------------------------


def budgets(facts: Facts) -> Iterator[Facts]:
    """The same facts with databases of every interesting size: edges, the default, and around what is needed."""
    smallest = facts.smallest_max_connections()
    sizes = {0, 1, DEFAULT_MAX_CONNECTIONS, CONNECTIONS_CEILING, CONNECTIONS_CEILING + 1}
    sizes |= {min(smallest + nearby, CONNECTIONS_CEILING + 1) for nearby in (-1, 0, 1)}
    return (facts._replace(max_connections=size) for size in sorted(sizes))


def grid_inside_the_bounds(share: int) -> Iterator[Facts]:
    cells = product(
        (0, 5, 1_000),  # reserved_connections
        (1, 2, 7, 1_000),  # replicas
        (0, 1, 33, 100),  # rollout_surge
        (1, 3, 512),  # workers
        (None, (1, 1), (3, 2), (1_000, 256)),  # tasks
        (False, True),  # pgbouncer
        ("compose", "kubernetes"),  # deployment_target
    )
    for reserved, replicas, surge, workers, tasks, pgbouncer, target in cells:
        # Without a rollout there is nothing to tell them apart.
        if not surge and target == "kubernetes":
            continue
        yield from budgets(
            Facts(
                reserved_connections=reserved,
                database_share=share,
                replicas=replicas,
                rollout_surge=surge,
                workers=workers,
                tasks=tasks,
                pgbouncer=pgbouncer,
                deployment_target=target,
            )
        )


def around_the_bounds(fact: str) -> tuple[int, ...]:
    low, high = BOUNDS[fact]
    return low - 1, low, high, high + 1


EDGES: dict[str, tuple[Any, ...]] = {
    **{
        fact: around_the_bounds(fact)
        for fact in (
            "reserved_connections",
            "database_share",
            "replicas",
            "rollout_surge",
            "workers",
            "cpu_cores",
            "grace_period",
        )
    },
    # With a queue there is at least one worker with one child: (0, 0) would be the formula's "no queue".
    "tasks": (None, (-1, 1), (0, 1), (1, -1), (1, 0), (1, 1), (1_000, 256), (1_001, 1), (1, 257)),
}


def grid_around_the_bounds(base: Facts) -> Iterator[Facts]:
    """Every two facts at, and just outside, the ends of their ranges."""
    facts_of_a_server = {"reserved_connections", "database_share"} if base.database == "sqlite" else set()
    edges = [(fact, values) for fact, values in EDGES.items() if fact not in facts_of_a_server]
    for (one, values), (other, other_values) in combinations(edges, 2):
        for value, other_value in product(values, other_values):
            facts = base._replace(**{one: value, other: other_value})
            yield from budgets(facts) if base.database != "sqlite" else [facts]


def grid_of_sqlite() -> Iterator[Facts]:
    cells = product(
        EDGES["replicas"],
        (*EDGES["rollout_surge"], 1),
        (*EDGES["workers"], 8),
        (*EDGES["tasks"], (2, 1), (1, 256)),
        EDGES["cpu_cores"],
    )
    for replicas, surge, workers, tasks, cpu_cores in cells:
        yield Facts(
            database="sqlite",
            replicas=replicas,
            rollout_surge=surge,
            workers=workers,
            tasks=tasks,
            cpu_cores=cpu_cores,
        )


SHARES = (1, 33, 50, 100)
BASES = {
    "postgresql without tasks": Facts(),
    "mysql": Facts(database="mysql", replicas=2, workers=2),
    "postgresql with tasks": Facts(replicas=3, rollout_surge=25, workers=4, tasks=(2, 4), database_share=50),
    "postgresql behind PgBouncer": Facts(replicas=30, rollout_surge=25, workers=4, tasks=(2, 4), pgbouncer=True),
    "postgresql on Kubernetes": Facts(replicas=3, rollout_surge=25, tasks=(2, 4), deployment_target="kubernetes"),
    "sqlite": Facts(database="sqlite"),
}


def assert_that_both_agree(cells: Iterable[Facts]) -> None:
    verdicts = {True: 0, False: 0}
    for facts in cells:
        asked, planned = rules().refusal(facts.answers()), facts.refusal_of_the_formula()
        assert (asked is None) == (planned is None), f"{facts}\ncopier.yml: {asked}\ncapacity.py: {planned}"
        assert smallest_named_in(asked) == smallest_named_in(planned), facts
        assert ("or PgBouncer" in (asked or "")) == ("or PgBouncer" in (planned or "")), facts
        verdicts[asked is None] += 1
    # A grid on which everything has the same verdict compares nothing.
    assert min(verdicts.values()) > 10, verdicts


def smallest_named_in(refusal: str | None) -> int | None:
    named = re.search(r"max_connections of (\d+) or more", refusal or "")
    return int(named[1]) if named else None


@pytest.mark.parametrize("share", SHARES)
def test_inside_the_bounds_the_questionnaire_accepts_what_the_formula_accepts(share: int) -> None:
    assert_that_both_agree(grid_inside_the_bounds(share))


@pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())
def test_around_the_bounds_the_questionnaire_accepts_what_the_formula_accepts(base: Facts) -> None:
    assert_that_both_agree(grid_around_the_bounds(base))


def test_for_sqlite_the_questionnaire_accepts_what_the_formula_accepts() -> None:
    assert_that_both_agree(grid_of_sqlite())


def test_the_grid_has_tens_of_thousands_of_cells() -> None:
    inside = sum(len(list(grid_inside_the_bounds(share))) for share in SHARES)
    around = sum(len(list(grid_around_the_bounds(base))) for base in BASES.values())
    assert inside + around + len(list(grid_of_sqlite())) > 20_000


@st.composite
def facts_near_what_is_needed(draw: st.DrawFn) -> Facts:
    facts = Facts(
        reserved_connections=draw(st.integers(*BOUNDS["reserved_connections"])),
        database_share=draw(st.integers(*BOUNDS["database_share"])),
        replicas=draw(st.integers(1, 60)),
        rollout_surge=draw(st.integers(*BOUNDS["rollout_surge"])),
        workers=draw(st.integers(1, 20)),
        tasks=draw(st.none() | st.tuples(st.integers(1, 20), st.integers(1, 20))),
        pgbouncer=draw(st.booleans()),
        deployment_target=draw(st.sampled_from(["compose", "kubernetes"])),
    )
    size = facts.smallest_max_connections() + draw(st.integers(-3, 3))
    return facts._replace(max_connections=min(max(size, 1), CONNECTIONS_CEILING))


@settings(max_examples=300, deadline=None)
@given(facts_near_what_is_needed())
def test_both_round_alike_for_any_share_and_surge(facts: Facts) -> None:
    asked, planned = rules().refusal(facts.answers()), facts.refusal_of_the_formula()
    assert (asked is None) == (planned is None)
    assert smallest_named_in(asked) == smallest_named_in(planned)


@pytest.mark.parametrize("share", SHARES)
def test_a_refusal_of_the_questionnaire_names_the_same_sum(share: int) -> None:
    compared = 0
    for facts in grid_inside_the_bounds(share):
        planned = facts.refusal_of_the_formula()
        if planned is None or " need" not in planned:
            continue
        asked = rules().refusal(facts.answers())
        assert asked is not None
        # The questionnaire always names task processes and the share, also where there is nothing to them.
        assert sorted({*numbers_in(planned), 0, 100}) == sorted({*numbers_in(asked), 0, 100}), facts
        compared += 1
    assert compared > 100


@pytest.mark.parametrize(("reserved", "named"), [(511, CONNECTIONS_CEILING), (512, None)])
def test_both_name_a_database_only_up_to_the_largest_there_is(reserved: int, named: int | None) -> None:
    # 511 x 512 = 261632 web processes and a reserve of 511 are the 262143 that PostgreSQL accepts at most.
    facts = Facts(max_connections=CONNECTIONS_CEILING - 1, reserved_connections=reserved, replicas=511, workers=512)
    asked, planned = rules().refusal(facts.answers()), facts.refusal_of_the_formula()
    assert asked is not None
    assert planned is not None
    assert smallest_named_in(asked) == smallest_named_in(planned) == named


def numbers_in(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"\d+", text)}


# The default of max_connections -----------------------------------------------------------------


@pytest.mark.parametrize("database", DEFAULTS_OF_SERVERS)
@pytest.mark.parametrize("share", SHARES)
def test_the_default_of_max_connections_is_offered_exactly_when_the_formula_accepts_it(
    share: int, database: str
) -> None:
    servers_own = DEFAULTS_OF_SERVERS[database]
    offered: set[int | None] = set()
    for cell in grid_inside_the_bounds(share):
        if cell.max_connections != DEFAULT_MAX_CONNECTIONS:
            continue
        facts = cell._replace(database=database, max_connections=servers_own, pgbouncer=False)
        default = rules().completed(facts._replace(max_connections=None).answers()).get("max_connections")
        fits = facts.refusal_of_the_formula() is None
        assert default == (servers_own if fits else None), facts
        unanswered = rules().refusal(facts._replace(max_connections=None).answers())
        assert unanswered == (None if fits else 'Question "max_connections" is required'), facts
        offered.add(default)
    assert offered == {None, servers_own}


# Plans of managed databases ---------------------------------------------------------------------

OFFERED = [plan for plan in read_plans() if plan.engine == "postgresql"]


def around_what_a_plan_holds(managed: DatabasePlan, reserved: int) -> Iterator[Facts]:
    usable = max(1, managed.connections - reserved)
    return (
        Facts(
            database_plan=managed.name,
            max_connections=managed.connections,
            reserved_connections=reserved,
            database_share=share,
            replicas=max(1, min(1_000, usable * share // 100 // workers + more)),
            workers=workers,
        )
        for share, more, workers in product((33, 100), (-1, 0, 1), (1, 7))
    )


@pytest.mark.parametrize("managed", OFFERED[::20], ids=lambda managed: managed.name)
def test_a_plan_is_accepted_exactly_when_the_formula_accepts_its_limit(managed: DatabasePlan) -> None:
    verdicts = set()
    for reserved in (0, managed.reserved_connections):
        for facts in around_what_a_plan_holds(managed, reserved):
            asked, planned = rules().refusal(facts.answers()), facts.refusal_of_the_formula()
            assert (asked is None) == (planned is None), f"{facts}\ncopier.yml: {asked}\ncapacity.py: {planned}"
            verdicts.add(asked is None)
    assert verdicts >= {True}


@pytest.mark.parametrize("managed", OFFERED[::20], ids=lambda managed: managed.name)
def test_a_plan_sets_the_limit_and_the_default_of_the_reserve(managed: DatabasePlan) -> None:
    answers = Facts(database_plan=managed.name).answers()
    del answers["reserved_connections"]
    completed = rules().completed(answers)
    assert completed["max_connections"] == managed.connections
    assert completed["reserved_connections"] == managed.reserved_connections


# Through Copier itself --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The questionnaire in a plain directory, with no files to render."""
    directory = tmp_path_factory.mktemp("questionnaire")
    shutil.copy(QUESTIONNAIRE, directory)
    (directory / PLANS).parent.mkdir(parents=True)
    shutil.copy(database_plans.FILE, directory / PLANS)
    for name in SIZES:
        shutil.copy(QUESTIONNAIRE.parent / name, directory / name)
    (directory / "template").mkdir()
    return directory


def refusal_of_copier(template: Path, answers: dict[str, Any]) -> str | None:
    try:
        copier.run_copy(
            str(template),
            template.parent / "service",
            data=answers,
            # A developer's own settings can hold other defaults.
            settings=copier.Settings(),
            defaults=True,
            pretend=True,
            quiet=True,
        )
    except ValueError as error:
        return str(error)
    return None


def sample() -> list[Facts]:
    """A few cells of every grid: some accepted, some refused for each of several reasons, some left to the default."""
    grids = [
        *(grid_inside_the_bounds(share) for share in SHARES),
        *(grid_around_the_bounds(base) for base in BASES.values()),
        grid_of_sqlite(),
    ]
    random = Random(20)
    accepted: list[Facts] = []
    refused: list[Facts] = []
    for grid in grids:
        cells = list(grid)
        random.shuffle(cells)
        reasons = {facts: re.sub(r"\d+", "", rules().refusal(facts.answers()) or "") for facts in cells[:400]}
        accepted += [facts for facts, reason in reasons.items() if not reason][:2]
        refused += {reason: facts for facts, reason in reasons.items() if reason}.values()
    random.shuffle(refused)
    chosen = [*accepted, *refused[:24]]
    azure = find_plan("azure-postgresql-b1ms")
    managed = list(around_what_a_plan_holds(azure, azure.reserved_connections))[::2]
    return [*chosen, *managed, *(facts._replace(max_connections=None) for facts in chosen[::6])]


def test_copier_says_the_same_as_the_rules_rendered_here(template: Path) -> None:
    cells = sample()
    assert len(cells) >= 40, "a sample too small to say much"
    verdicts = [refusal_of_copier(template, facts.answers()) for facts in cells]
    assert verdicts == [rules().refusal(facts.answers()) for facts in cells]
    assert 8 <= verdicts.count(None) <= len(cells) - 8


def test_a_queue_without_workers_is_refused_although_the_formula_takes_it_for_no_queue(template: Path) -> None:
    facts = Facts(tasks=NO_TASKS)
    assert facts.refusal_of_the_formula() is None
    refusal = refusal_of_copier(template, facts.answers())
    assert refusal == rules().refusal(facts.answers())
    assert refusal is not None
    assert "task_replicas must be between 1 and 1000" in refusal
