"""From answers to the plan: which facts of a deployment the answers state."""

from collections.abc import Mapping
from typing import Any

from paceline.capacity import Deployment, Plan, plan
from paceline.errors import PacelineError

# Redis's own default for maxclients.
REDIS_MAX_CONNECTIONS = 10_000
# Memcached's own default for -c.
MEMCACHED_MAX_CONNECTIONS = 1_024

FACTS_ANSWERED_DIRECTLY = (
    "reserved_connections",
    "database_share",
    "replicas",
    "rollout_surge",
    "stops_beside_starts",
    "workers",
    "cpu_cores",
    "grace_period",
)


def plan_for(answers: Mapping[str, Any]) -> Plan:
    """The plan of a service with these answers.

    Raises :class:`PacelineError` with the whole sum when the database has too few connections.
    """
    try:
        return plan(deployment_for(answers))
    except ValueError as error:
        raise PacelineError(str(error)) from error


def deployment_for(answers: Mapping[str, Any]) -> Deployment:
    """The facts that complete answers state. Raises :class:`ValueError` for a fact outside its range."""
    has_tasks = answers["task_queue"] != "none"
    has_redis = answers["cache_backend"] == "redis" or answers["task_queue"] == "celery-redis"
    return Deployment(
        respawns_workers=0 if answers["worker_strategy"] == "hypercorn" else 1,
        max_connections=None if answers["database"] == "sqlite" else answers["max_connections"],
        task_replicas=answers["task_replicas"] if has_tasks else 0,
        task_concurrency=answers["task_concurrency"] if has_tasks else 0,
        pgbouncer_instances=int(answers["pgbouncer"]) if answers["offers_pgbouncer"] else None,
        redis_max_connections=REDIS_MAX_CONNECTIONS if has_redis else None,
        memcached_max_connections=MEMCACHED_MAX_CONNECTIONS if answers["cache_backend"] == "memcached" else None,
        **{fact: answers[fact] for fact in FACTS_ANSWERED_DIRECTLY},
    )
