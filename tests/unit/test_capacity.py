"""The capacity formula: its promises over every input it takes, and a few sums done by hand."""

import json
import re
import runpy
import sys
from dataclasses import asdict, fields, replace
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline import capacity
from paceline.capacity import (
    BOUNDS,
    CACHE_POOL_CEILING,
    CLIENT_RESERVE,
    CLIENTS_PER_CONNECTION,
    CONNECTIONS_CEILING,
    FILE_POOL_SIZE,
    POOL_SIZE_CEILING,
    ConnectionBudgetError,
    Deployment,
    Plan,
    plan,
)

# A busy machine may be slow, which says nothing about the formula: no deadline.
thorough = settings(max_examples=100, deadline=None)


# Drawing deployments ----------------------------------------------------------------------------


def facts_within_bounds(fact: str) -> st.SearchStrategy[int]:
    """Every value of a fact, the small ones as often as the rest: drawn evenly, hardly anything would fit."""
    low, high = BOUNDS[fact]
    return st.one_of(st.integers(low, min(high, low + 12)), st.integers(low, high))


def task_workers() -> st.SearchStrategy[tuple[int, int]]:
    some = st.tuples(
        facts_within_bounds("task_replicas").filter(bool), facts_within_bounds("task_concurrency").filter(bool)
    )
    return st.one_of(st.just((0, 0)), some)


@st.composite
def any_deployments(draw: st.DrawFn) -> Deployment:
    """The whole input space of a service with a database server."""
    task_replicas, task_concurrency = draw(task_workers())
    return Deployment(
        max_connections=draw(st.integers(*BOUNDS["max_connections"])),
        reserved_connections=draw(facts_within_bounds("reserved_connections")),
        database_share=draw(facts_within_bounds("database_share")),
        replicas=draw(facts_within_bounds("replicas")),
        rollout_surge=draw(facts_within_bounds("rollout_surge")),
        stops_beside_starts=draw(facts_within_bounds("stops_beside_starts")),
        workers=draw(facts_within_bounds("workers")),
        task_replicas=task_replicas,
        task_concurrency=task_concurrency,
        pgbouncer_instances=draw(st.none() | facts_within_bounds("pgbouncer_instances")),
        cpu_cores=draw(facts_within_bounds("cpu_cores")),
        grace_period=draw(facts_within_bounds("grace_period")),
        redis_max_connections=draw(st.none() | facts_within_bounds("redis_max_connections")),
        memcached_max_connections=draw(st.none() | facts_within_bounds("memcached_max_connections")),
    )


@st.composite
def deployments_near_a_limit(draw: st.DrawFn) -> Deployment:
    """Deployments whose database has just enough for a whole pool size, or just not."""
    deployment = draw(any_deployments())
    pool_size = draw(st.integers(1, POOL_SIZE_CEILING + 1))
    needed = needed_connections(deployment, pool_size)
    if deployment.pgbouncer_instances:
        needed = connections_behind_pgbouncer(needed, deployment.pgbouncer_instances)
    exact = smallest_max_connections(deployment, needed)
    nearby = exact + draw(st.integers(-2, 2))
    low, high = BOUNDS["max_connections"]
    return replace(deployment, max_connections=min(max(nearby, low), high))


def deployments() -> st.SearchStrategy[Deployment]:
    return st.one_of(any_deployments(), deployments_near_a_limit())


# The same sums, written another way -------------------------------------------------------------


def at_peak(replicas: int, deployment: Deployment) -> int:
    starting = ceil(Fraction(replicas * deployment.rollout_surge, 100))
    stopping = starting if deployment.stops_beside_starts else 0
    return min(2 * replicas, replicas + starting + stopping)


def needed_connections(deployment: Deployment, pool_size: int) -> int:
    web = at_peak(deployment.replicas, deployment) * deployment.workers
    tasks = at_peak(deployment.task_replicas, deployment) * deployment.task_concurrency
    return web * pool_size + tasks


def smallest_max_connections(deployment: Deployment, needed: int) -> int:
    return deployment.reserved_connections + ceil(Fraction(needed * 100, deployment.database_share))


def has_connections_for(deployment: Deployment, pool_size: int) -> bool:
    assert deployment.max_connections is not None
    unreserved = deployment.max_connections - deployment.reserved_connections
    needed = needed_connections(deployment, pool_size)
    if deployment.pgbouncer_instances:
        needed = connections_behind_pgbouncer(needed, deployment.pgbouncer_instances)
    return needed <= Fraction(unreserved * deployment.database_share, 100)


def connections_behind_pgbouncer(clients: int, instances: int) -> int:
    return ceil(Fraction(clients, CLIENTS_PER_CONNECTION * instances)) * instances


def plan_if_accepted(deployment: Deployment, *, pool_size: int | None = None) -> Plan | None:
    try:
        return plan(deployment, pool_size=pool_size)
    except ConnectionBudgetError:
        return None


def refusal_of(deployment: Deployment, *, pool_size: int | None = None) -> str:
    with pytest.raises(ConnectionBudgetError) as refusal:
        plan(deployment, pool_size=pool_size)
    return str(refusal.value)


# The budget -------------------------------------------------------------------------------------


@thorough
@given(deployments())
def test_an_accepted_deployment_cannot_open_more_connections_than_it_may_use(deployment: Deployment) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    usable = deployment.usable_connections
    assert usable is not None
    per_web_process = derived.pool_size + derived.max_overflow
    opened = deployment.web_processes * per_web_process + deployment.task_processes * derived.task_pool_size
    assert derived.clients_at_peak == opened == needed_connections(deployment, per_web_process)
    if deployment.pgbouncer_instances:
        assert derived.connections_at_peak == deployment.pgbouncer_instances * derived.default_pool_size
        assert opened <= CLIENTS_PER_CONNECTION * derived.connections_at_peak
        # Whichever PgBouncer they all come to.
        assert opened + CLIENT_RESERVE <= derived.max_client_conn
    else:
        assert derived.connections_at_peak == opened
        assert derived.default_pool_size == derived.max_client_conn == derived.query_wait_timeout == 0
    assert derived.connections_at_peak <= usable


@thorough
@given(deployments())
def test_a_deployment_is_refused_exactly_when_one_connection_per_process_is_too_much(deployment: Deployment) -> None:
    assert (plan_if_accepted(deployment) is not None) == has_connections_for(deployment, 1)


@thorough
@given(deployments())
def test_the_pool_is_the_largest_that_fits_up_to_the_ceiling(deployment: Deployment) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    assert 1 <= derived.pool_size <= POOL_SIZE_CEILING
    assert has_connections_for(deployment, derived.pool_size)
    ceiling = POOL_SIZE_CEILING
    if deployment.pgbouncer_instances:
        # More of one process are never served at once.
        ceiling = min(ceiling, derived.connections_at_peak)
    assert derived.pool_size == ceiling or not has_connections_for(deployment, derived.pool_size + 1)
    assert derived.pool_size <= ceiling


@thorough
@given(deployments(), st.integers(1, 200))
def test_an_explicit_pool_size_is_held_to_the_same_budget(deployment: Deployment, pool_size: int) -> None:
    derived = plan_if_accepted(deployment, pool_size=pool_size)
    assert (derived is not None) == has_connections_for(deployment, pool_size)
    if derived is not None:
        assert derived.pool_size == pool_size
        assert derived.clients_at_peak == needed_connections(deployment, pool_size)


@thorough
@given(deployments())
def test_the_derived_pool_size_can_be_set_explicitly_without_changing_the_plan(deployment: Deployment) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    explicit = plan(deployment, pool_size=derived.pool_size)
    assert replace(explicit, pool_size_reason=derived.pool_size_reason) == derived


@pytest.mark.parametrize("pool_size", [0, -1])
def test_a_pool_without_connections_is_a_mistake_and_no_lack_of_budget(pool_size: int) -> None:
    with pytest.raises(ValueError, match=f"pool_size must be at least 1, not {pool_size}") as mistake:
        plan(Deployment(), pool_size=pool_size)
    assert not isinstance(mistake.value, ConnectionBudgetError)


@thorough
@given(deployments(), st.integers(0, CONNECTIONS_CEILING))
def test_more_connections_never_shrink_the_pool(deployment: Deployment, more: int) -> None:
    assert deployment.max_connections is not None
    larger = replace(deployment, max_connections=min(deployment.max_connections + more, CONNECTIONS_CEILING))
    before, after = plan_if_accepted(deployment), plan_if_accepted(larger)
    if before is not None:
        assert after is not None
        assert after.pool_size >= before.pool_size


@thorough
@given(
    deployments(),
    st.sampled_from(["replicas", "rollout_surge", "stops_beside_starts", "workers", "reserved_connections"]),
)
def test_more_processes_or_reserved_connections_never_enlarge_the_pool(deployment: Deployment, fact: str) -> None:
    value = getattr(deployment, fact)
    busier = replace(deployment, **{fact: min(value + 1, BOUNDS[fact][1])})
    before, after = plan_if_accepted(deployment), plan_if_accepted(busier)
    if after is not None:
        assert before is not None
        assert after.pool_size <= before.pool_size


# The peak and the share -------------------------------------------------------------------------


@thorough
@given(deployments())
def test_the_peak_counts_the_surge_rounded_up_to_whole_replicas(deployment: Deployment) -> None:
    assert deployment.web_processes == at_peak(deployment.replicas, deployment) * deployment.workers
    assert deployment.task_processes == at_peak(deployment.task_replicas, deployment) * deployment.task_concurrency


@pytest.mark.parametrize(
    ("replicas", "surge", "at_once"),
    [
        (1, 0, 1),
        (1, 1, 2),
        (1, 25, 2),
        (1, 100, 2),
        (3, 25, 4),
        (4, 25, 5),
        (5, 25, 7),
        (10, 100, 20),
        (1_000, 1, 1_010),
    ],
)
def test_a_surge_of_part_of_a_replica_is_a_whole_replica(replicas: int, surge: int, at_once: int) -> None:
    deployment = Deployment(
        replicas=replicas, rollout_surge=surge, workers=3, task_replicas=replicas, task_concurrency=2
    )
    assert deployment.web_processes == at_once * 3
    assert deployment.task_processes == at_once * 2


@pytest.mark.parametrize(
    ("replicas", "surge", "at_once"),
    [(1, 0, 1), (1, 25, 2), (2, 25, 4), (3, 25, 5), (4, 25, 6), (8, 25, 12), (10, 60, 20), (10, 100, 20), (50, 2, 52)],
)
def test_where_stopping_replicas_are_not_counted_as_many_stop_as_start(replicas: int, surge: int, at_once: int) -> None:
    deployment = Deployment(
        replicas=replicas,
        rollout_surge=surge,
        stops_beside_starts=1,
        workers=3,
        task_replicas=replicas,
        task_concurrency=2,
    )
    assert deployment.web_processes == at_once * 3
    assert deployment.task_processes == at_once * 2


@thorough
@given(deployments())
def test_the_usable_connections_leave_the_reserve_and_the_others_their_share(deployment: Deployment) -> None:
    usable, accepted = deployment.usable_connections, deployment.max_connections
    assert usable is not None
    assert accepted is not None
    exact = Fraction((accepted - deployment.reserved_connections) * deployment.database_share, 100)
    assert usable <= exact < usable + 1


# Refusals ---------------------------------------------------------------------------------------


@thorough
@given(deployments(), st.none() | st.integers(1, 200))
def test_a_refusal_holds_the_sum_and_the_smallest_database_that_fits(
    deployment: Deployment, pool_size: int | None
) -> None:
    if plan_if_accepted(deployment, pool_size=pool_size) is not None:
        return
    refusal = refusal_of(deployment, pool_size=pool_size)
    numbers = {int(number) for number in re.findall(r"\d+", refusal)}
    usable = deployment.usable_connections
    assert usable is not None
    assert {
        deployment.web_processes,
        max(0, usable),
        deployment.max_connections,
        deployment.reserved_connections,
    } <= numbers
    assert not deployment.task_processes or deployment.task_processes in numbers
    assert deployment.database_share == 100 or deployment.database_share in numbers

    refused_size = pool_size if pool_size is not None and has_connections_for(deployment, 1) else 1
    needed = needed_connections(deployment, refused_size)
    assert needed in numbers
    if deployment.pgbouncer_instances:
        needed = connections_behind_pgbouncer(needed, deployment.pgbouncer_instances)
        assert needed in numbers
    smallest = smallest_max_connections(deployment, needed)
    suggestion = re.search(r"max_connections of (\d+) or more\.$", refusal)
    if suggestion is None:
        assert smallest > CONNECTIONS_CEILING
        return
    assert int(suggestion[1]) == smallest
    assert has_connections_for(replace(deployment, max_connections=smallest), refused_size)
    assert smallest == 1 or not has_connections_for(replace(deployment, max_connections=smallest - 1), refused_size)


@thorough
@given(deployments())
def test_a_database_of_the_size_that_a_refusal_names_is_accepted_and_one_smaller_is_not(
    deployment: Deployment,
) -> None:
    if plan_if_accepted(deployment) is not None:
        return
    suggestion = re.search(r"max_connections of (\d+)", refusal_of(deployment))
    if suggestion is None:
        # No server is large enough, so that none is suggested.
        assert plan_if_accepted(replace(deployment, max_connections=CONNECTIONS_CEILING)) is None
        return
    smallest = int(suggestion[1])
    # Behind PgBouncer each of its connections has ten clients, which may be more than there are processes.
    assert plan(replace(deployment, max_connections=smallest)).pool_size == 1 or deployment.pgbouncer_instances
    assert plan_if_accepted(replace(deployment, max_connections=smallest - 1)) is None


@pytest.mark.parametrize(
    ("deployment", "pool_size", "message"),
    [
        pytest.param(
            Deployment(max_connections=100, replicas=12, workers=8),
            None,
            "96 web processes need 96 connections, but only 95 are usable (100 - 5 reserved)."
            " Use fewer workers or replicas, or a database with max_connections of 101 or more.",
            id="one connection short",
        ),
        pytest.param(
            Deployment(max_connections=60, database_share=50, workers=20, task_replicas=2, task_concurrency=4),
            None,
            "20 web processes and 8 task processes need 28 connections, but only 27 are usable"
            " ((60 - 5 reserved) x 50 %)."
            " Use fewer workers or replicas, or a database with max_connections of 61 or more.",
            id="with tasks and a share",
        ),
        pytest.param(
            Deployment(max_connections=3),
            None,
            "1 web process needs 1 connection, but only 0 are usable (3 - 5 reserved)."
            " Use fewer workers or replicas, or a database with max_connections of 6 or more.",
            id="all reserved",
        ),
        pytest.param(
            Deployment(max_connections=100, workers=4),
            24,
            "With pool_size set to 24: 4 web processes need 96 connections, but only 95 are usable (100 - 5 reserved)."
            " Use fewer workers or replicas, or a database with max_connections of 101 or more.",
            id="a pool that was set",
        ),
        pytest.param(
            Deployment(replicas=12, workers=8, pgbouncer_instances=0),
            None,
            "96 web processes need 96 connections, but only 95 are usable (100 - 5 reserved). Use fewer workers or"
            " replicas, or PgBouncer, or a database with max_connections of 101 or more.",
            id="PostgreSQL without PgBouncer",
        ),
        pytest.param(
            Deployment(replicas=120, workers=8, pgbouncer_instances=1),
            None,
            "960 web processes need 96 connections behind PgBouncer (960 clients, 10 for each), but only 95 are usable"
            " (100 - 5 reserved). Use fewer workers or replicas, or a database with max_connections of 101 or more.",
            id="PostgreSQL behind PgBouncer",
        ),
        pytest.param(
            Deployment(max_connections=CONNECTIONS_CEILING, replicas=1_000, workers=512),
            None,
            "512000 web processes need 512000 connections, but only 262138 are usable (262143 - 5 reserved)."
            " Use fewer workers or replicas.",
            id="more than any server accepts",
        ),
    ],
)
def test_a_refusal_reads_as_a_sum_with_its_ways_out(
    deployment: Deployment, pool_size: int | None, message: str
) -> None:
    assert refusal_of(deployment, pool_size=pool_size) == message


# Facts outside their range ----------------------------------------------------------------------

# Some facts only go with another one, or leave too little for a default.
VALID_WITH: dict[str, dict[str, int]] = {
    "task_replicas": {"task_concurrency": 1},
    "task_concurrency": {"task_replicas": 1},
}


def test_every_fact_has_bounds() -> None:
    assert set(BOUNDS) == {field.name for field in fields(Deployment)}


@pytest.mark.parametrize("fact", BOUNDS)
def test_a_fact_outside_its_range_is_refused_with_the_range(fact: str) -> None:
    low, high = BOUNDS[fact]
    for outside in (low - 1, high + 1):
        with pytest.raises(ValueError, match=rf"^{fact} must be between {low} and {high}, not {outside}\.$"):
            Deployment(**{fact: outside}, **VALID_WITH.get(fact, {}))


@pytest.mark.parametrize("fact", BOUNDS)
def test_a_fact_at_the_ends_of_its_range_is_taken(fact: str) -> None:
    low, high = BOUNDS[fact]
    for inside in (low, high):
        companions = VALID_WITH.get(fact, {}) if inside else {}
        assert getattr(Deployment(**{fact: inside}, **companions), fact) == inside


@pytest.mark.parametrize(("task_replicas", "task_concurrency"), [(0, 4), (2, 0)])
def test_task_workers_and_their_children_go_together(task_replicas: int, task_concurrency: int) -> None:
    with pytest.raises(ValueError, match=rf"\({task_replicas}\).*\({task_concurrency}\) go together"):
        Deployment(task_replicas=task_replicas, task_concurrency=task_concurrency)


# SQLite -----------------------------------------------------------------------------------------


@thorough
@given(
    st.integers(*BOUNDS["workers"]),
    st.integers(0, BOUNDS["task_concurrency"][1]),
    st.none() | st.integers(1, 200),
)
def test_a_file_database_has_no_budget_but_a_small_pool(
    workers: int, task_concurrency: int, pool_size: int | None
) -> None:
    deployment = Deployment(
        max_connections=None,
        workers=workers,
        task_replicas=1 if task_concurrency else 0,
        task_concurrency=task_concurrency,
    )
    derived = plan(deployment, pool_size=pool_size)
    assert deployment.usable_connections is None
    assert derived.pool_size == (pool_size or FILE_POOL_SIZE)
    assert {"usable connections", "connections at peak"}.isdisjoint(row.name for row in derived.rows())


def test_the_plan_of_a_file_database_says_what_it_cannot_carry() -> None:
    said = {row.name: f"{row.value} {row.reason}" for row in plan(Deployment(max_connections=None)).rows()}
    assert said["machines"] == "1 a file: no second replica, and no rolling release"
    assert said["writers"] == "1 at a time: others wait, and readers go on beside it"
    assert {"machines", "writers"}.isdisjoint(row.name for row in plan(Deployment()).rows())


@pytest.mark.parametrize(
    "facts",
    [
        {"replicas": 2},
        {"task_replicas": 2, "task_concurrency": 1},
        {"replicas": 1_000, "rollout_surge": 100},
    ],
)
def test_a_file_database_is_not_shared_by_replicas(facts: dict[str, int]) -> None:
    refusal = refusal_of(Deployment(max_connections=None, **facts))
    replicas = max(facts.get("replicas", 1), facts.get("task_replicas", 1))
    assert refusal.startswith(f"SQLite is one file on one machine, so {replicas} replicas cannot share it.")


@pytest.mark.parametrize("pool_size", [None, 2])
def test_a_file_database_is_not_shared_by_an_old_and_a_new_version(pool_size: int | None) -> None:
    refusal = refusal_of(Deployment(max_connections=None, rollout_surge=1), pool_size=pool_size)
    assert refusal.startswith("SQLite is one file on one machine, so versions cannot run side by side.")


# Timeouts and other limits ----------------------------------------------------------------------


def test_the_timeouts_ascend_for_every_grace_period() -> None:
    shortest, longest = BOUNDS["grace_period"]
    for grace_period in range(shortest, longest + 1):
        derived = plan(Deployment(grace_period=grace_period))
        ladder = [
            derived.pool_timeout,
            derived.statement_timeout,
            derived.request_timeout,
            derived.graceful_timeout,
            derived.grace_period,
        ]
        assert ladder[0] >= 1
        assert all(lower < upper for lower, upper in pairwise(ladder)), ladder
        assert derived.pool_timeout + derived.statement_timeout < derived.request_timeout, ladder
        behind = plan(Deployment(grace_period=grace_period, pgbouncer_instances=1))
        assert behind.pool_timeout <= behind.query_wait_timeout < behind.statement_timeout
        waits = behind.pool_timeout + behind.query_wait_timeout + behind.statement_timeout
        assert waits < behind.request_timeout
        assert derived.grace_period == grace_period


@thorough
@given(deployments())
def test_only_the_grace_period_decides_the_timeouts(deployment: Deployment) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    alone = plan(Deployment(grace_period=deployment.grace_period))
    for timeout in ("pool_timeout", "statement_timeout", "request_timeout", "graceful_timeout", "pool_recycle"):
        assert getattr(derived, timeout) == getattr(alone, timeout)


@thorough
@given(deployments())
def test_the_pools_of_a_cache_leave_a_fifth_of_the_server_unless_one_each_is_already_more(
    deployment: Deployment,
) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    processes = deployment.web_processes + deployment.task_processes
    for pool_size, max_connections in (
        (derived.redis_pool_size, deployment.redis_max_connections),
        (derived.memcached_pool_size, deployment.memcached_max_connections),
    ):
        if max_connections is None:
            assert pool_size == 0
        else:
            assert 1 <= pool_size <= CACHE_POOL_CEILING
            assert pool_size == 1 or pool_size * processes * 5 <= max_connections * 4


@thorough
@given(deployments())
def test_threads_and_client_connections_are_bounded(deployment: Deployment) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    assert 5 <= derived.thread_limit <= 32
    assert derived.concurrency_limit >= 1_024
    assert derived.concurrency_limit > derived.pool_size


# The plan as a table and as data ----------------------------------------------------------------


@thorough
@given(deployments(), st.none() | st.integers(1, 40))
def test_every_row_of_the_plan_has_a_value_and_a_readable_reason(deployment: Deployment, pool_size: int | None) -> None:
    derived = plan_if_accepted(deployment, pool_size=pool_size)
    if derived is None:
        return
    rows = derived.rows()
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    for row in rows:
        assert row.name
        assert re.fullmatch(r"\d+( s)?", row.value), row
        assert row.reason == row.reason.strip() != ""
        assert len(row.reason) <= 100, row
        assert not re.search(r"None|\b1 (replicas|processes|web processes|task processes)\b", row.reason), row


@thorough
@given(deployments())
def test_the_row_of_the_peak_adds_up(deployment: Deployment) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    (row,) = (row for row in derived.rows() if row.name == "connections at peak")
    left, right = row.reason.split(" = ")
    terms = (term.split(" x ") for term in left.split(" + "))
    assert sum(int(processes) * int(size) for processes, size in terms) == derived.connections_at_peak
    assert right == f"{row.value}, at most {deployment.usable_connections}"


@thorough
@given(deployments())
def test_the_plan_survives_json(deployment: Deployment) -> None:
    derived = plan_if_accepted(deployment)
    if derived is None:
        return
    data = derived.as_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["deployment"] == asdict(deployment)
    assert Deployment(**data["deployment"]) == deployment
    assert data["web_processes"] == deployment.web_processes
    assert data["task_processes"] == deployment.task_processes
    assert data["usable_connections"] == deployment.usable_connections
    assert data["connections_at_peak"] == derived.connections_at_peak
    assert data["pool_size"] == derived.pool_size


def test_a_plan_for_a_file_database_survives_json_too() -> None:
    data = plan(Deployment(max_connections=None)).as_dict()
    assert json.loads(json.dumps(data))["usable_connections"] is None


# Sums done by hand ------------------------------------------------------------------------------


def test_a_single_process_on_a_default_postgresql_keeps_as_many_connections_as_it_can_use() -> None:
    # 100 - 5 = 95 for 1 process, of which it keeps at most 32 busy.
    derived = plan(Deployment())
    assert (derived.pool_size, derived.max_overflow, derived.connections_at_peak) == (32, 0, 32)
    assert derived.pool_size_reason == "95 connections / 1 web process = 95, and one process keeps at most 32 busy"
    # Of 30 seconds: a tenth, a third, two thirds, five sixths.
    assert derived.pool_timeout == 3
    assert derived.statement_timeout == 10
    assert derived.request_timeout == 20
    assert derived.graceful_timeout == 25
    assert derived.thread_limit == 6
    assert derived.concurrency_limit == 2_048


def test_replicas_in_a_rollout_with_tasks_and_half_of_a_database() -> None:
    # 3 replicas and 25 % are 4 at the peak, x 4 workers = 16 web processes;
    # 1 task worker and 25 % are 2, x 8 children = 16 task processes.
    # (200 - 5) x 50 % = 97 usable, - 16 for tasks = 81, / 16 = 5. At the peak 16 x 5 + 16 = 96.
    deployment = Deployment(
        max_connections=200,
        database_share=50,
        replicas=3,
        rollout_surge=25,
        workers=4,
        task_replicas=1,
        task_concurrency=8,
        redis_max_connections=500,
        memcached_max_connections=1_024,
    )
    derived = plan(deployment)
    assert (deployment.web_processes, deployment.task_processes) == (16, 16)
    assert deployment.usable_connections == 97
    assert (derived.pool_size, derived.task_pool_size, derived.connections_at_peak) == (5, 1, 96)
    # Four fifths of 500 = 400, / 32 processes = 12.
    assert derived.redis_pool_size == 12
    # Four fifths of 1,024 = 819, / 32 processes = 25, and 20 at most.
    assert derived.memcached_pool_size == 20
    assert [tuple(row) for row in derived.rows()[:9]] == [
        ("web processes", "16", "3 replicas x 4 processes, + 25 % of the replicas in a rollout"),
        ("task processes", "16", "1 replica x 8 processes, + 25 % of the replicas in a rollout"),
        ("usable connections", "97", "(200 - 5 reserved) x 50 %"),
        ("pool_size", "5", "81 connections / 16 web processes = 5"),
        ("max_overflow", "0", "requests queue for a connection instead"),
        ("task pool_size", "1", "a task process runs one task at a time"),
        ("connections at peak", "96", "16 x 5 + 16 x 1 = 96, at most 97"),
        ("redis pool", "12", "of 500 for everyone"),
        ("memcached pool", "20", "of 1024 for everyone"),
    ]


def test_behind_pgbouncer_forty_processes_share_twenty_connections() -> None:
    # 25 - 5 = 20 connections, 10 clients each = 200, - 8 for tasks = 192, / 40 web processes = 4.
    deployment = Deployment(
        max_connections=25, replicas=20, workers=2, task_replicas=2, task_concurrency=4, pgbouncer_instances=1
    )
    derived = plan(deployment)
    assert (derived.pool_size, derived.clients_at_peak) == (4, 168)
    assert (derived.default_pool_size, derived.max_client_conn, derived.connections_at_peak) == (20, 300, 20)
    # A sixth of 30 seconds.
    assert derived.query_wait_timeout == 5
    assert [tuple(row) for row in derived.rows()[2:9]] == [
        ("usable connections", "20", "25 - 5 reserved"),
        ("default_pool_size", "20", "20 connections / 1 PgBouncer"),
        ("pool_size", "4", "192 clients of PgBouncer / 40 web processes = 4"),
        ("max_overflow", "0", "requests queue for a connection instead"),
        ("task pool_size", "1", "a task process runs one task at a time"),
        ("clients at peak", "168", "40 x 4 + 8 x 1 = 168, at most 10 x 20 = 200"),
        ("max_client_conn", "300", "200 and 100 for people and for clients that reconnect"),
    ]
    assert derived.rows()[9].reason == "1 x 20 = 20, at most 20"


def test_one_process_never_has_more_clients_than_pgbouncer_has_connections() -> None:
    derived = plan(Deployment(max_connections=13, pgbouncer_instances=2))
    assert (derived.default_pool_size, derived.pool_size) == (4, 8)
    assert (
        derived.pool_size_reason
        == "80 clients of PgBouncer / 1 web process = 80, and no more than 8 are served at once"
    )


def test_a_small_database_is_used_to_its_last_connection() -> None:
    # 25 - 5 = 20 for 2 replicas x 10 workers: one each.
    derived = plan(Deployment(max_connections=25, replicas=2, workers=10))
    assert (derived.pool_size, derived.connections_at_peak) == (1, 20)
    assert plan_if_accepted(Deployment(max_connections=24, replicas=2, workers=10)) is None


def test_the_shortest_grace_period_still_has_room_for_every_timeout() -> None:
    derived = plan(Deployment(grace_period=10))
    assert derived.pool_timeout == 1
    assert derived.statement_timeout == 3
    assert derived.request_timeout == 6
    assert derived.graceful_timeout == 8


# The module as a file of the template and as a command ------------------------------------------


@pytest.mark.parametrize("mark", ["{{", "{%", "{#"])
def test_the_module_holds_no_mark_that_rendering_would_take_for_its_own(mark: str) -> None:
    assert mark not in Path(capacity.__file__).read_text(encoding="utf-8")


def test_as_a_command_it_prints_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    settings = SimpleNamespace(plan=plan(Deployment()))
    monkeypatch.setitem(sys.modules, "app.config", SimpleNamespace(load_settings=lambda: settings))
    runpy.run_path(capacity.__file__, run_name="__main__")
    output = capsys.readouterr().out
    assert re.search(r"^pool_size +32  95 connections / 1 web process = 95", output, re.MULTILINE)
    assert len(output.splitlines()) == len(plan(Deployment()).rows())
