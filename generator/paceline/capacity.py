"""How many database connections one process may hold, and which timeouts follow from that.

Inputs are facts about the deployment (:class:`Deployment`); everything else is derived
(:class:`Plan`), so that for every accepted deployment, also in the middle of a rollout::

    web processes x (pool_size + max_overflow) + task processes x task_pool_size <= usable connections

Connections are counted, timeouts are in seconds, shares and surges in percent. Only integers are
used: the same facts give the same plan everywhere. Print the plan with ``python -m app.capacity``.
"""

import importlib
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

# The most that any server takes for max_connections: PostgreSQL (MAX_BACKENDS, 2^18 - 1); MySQL takes 100,000.
CONNECTIONS_CEILING = 262_143

BOUNDS = {
    "max_connections": (1, CONNECTIONS_CEILING),
    "reserved_connections": (0, 1_000),
    "database_share": (1, 100),
    "replicas": (1, 1_000),
    "rollout_surge": (0, 100),
    "workers": (1, 512),
    "task_replicas": (0, 1_000),
    "task_concurrency": (0, 256),
    "cpu_cores": (1, 256),
    "grace_period": (10, 3_600),
    "redis_max_connections": (1, 1_000_000),
}

# Little's law: one process answers some 1,000 queries a second at best, so with queries of 30 ms
# it keeps about 30 connections busy. More of them only wait inside the database.
POOL_SIZE_CEILING = 32

# A file database opens a thread for each connection and has one writer: a few readers suffice.
FILE_POOL_SIZE = 4

# A prefork task process runs one task at a time.
TASK_POOL_SIZE = 1

# Below the 3,600 s after which many proxies and firewalls drop a silent connection.
POOL_RECYCLE = 1_800

# Commands of one process share few connections; a fifth of the server stays free for others.
REDIS_POOL_CEILING = 20


class ConnectionBudgetError(ValueError):
    """The deployment needs more connections than it has. The message holds the sum and the ways out."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Facts about where the service runs.

    Raises :class:`ValueError` with a sentence when a fact is outside its range in ``BOUNDS``.
    """

    max_connections: int | None = 100
    """What the database server accepts in all; None for a database that is a file."""
    reserved_connections: int = 5
    """Kept free: superuser slots (3 by default in PostgreSQL, 1 in MySQL), a migration, a human with a console."""
    database_share: int = 100
    """Percent of the unreserved connections that belong to this service."""
    replicas: int = 1
    """The most copies of the service that run at once, outside a rollout."""
    rollout_surge: int = 0
    """Percent of extra replicas while an old and a new version run side by side."""
    workers: int = 1
    """Server processes in each replica."""
    task_replicas: int = 0
    """The most task workers (containers) that run at once; 0 without a task queue."""
    task_concurrency: int = 0
    """Child processes in each task worker."""
    cpu_cores: int = 2
    """Cores of one replica."""
    grace_period: int = 30
    """Seconds between the platform's request to stop and its kill."""
    redis_max_connections: int | None = None
    """What the Redis server accepts in all (its ``maxclients``, 10,000 by default); None without Redis."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = BOUNDS[field.name]
            if value is not None and not low <= value <= high:
                raise ValueError(f"{field.name} must be between {low} and {high}, not {value}.")
        if (self.task_replicas == 0) != (self.task_concurrency == 0):
            raise ValueError(
                f"task_replicas ({self.task_replicas}) and task_concurrency ({self.task_concurrency})"
                " go together: set both, or neither."
            )

    @property
    def web_processes(self) -> int:
        """Server processes at the peak of a rollout."""
        return self._at_peak(self.replicas) * self.workers

    @property
    def task_processes(self) -> int:
        """Task processes at the peak of a rollout."""
        return self._at_peak(self.task_replicas) * self.task_concurrency

    @property
    def usable_connections(self) -> int | None:
        """Connections that this service may hold; None for a database that is a file."""
        if self.max_connections is None:
            return None
        return (self.max_connections - self.reserved_connections) * self.database_share // 100

    def _at_peak(self, replicas: int) -> int:
        return -(-replicas * (100 + self.rollout_surge) // 100)


class Row(NamedTuple):
    """One line of the plan: a name, its value with the unit, and the sum in words."""

    name: str
    value: str
    reason: str


# What a database that is a file carries, and what it does not.
_FILE_ROWS = (
    Row("machines", "1", "SQLite is a file: no second replica, and a new version starts when the old one has stopped"),
    Row("writers", "1", "at a time, of all processes together; others wait for it, readers go on beside it"),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What follows from a deployment. Sizes are for one process."""

    deployment: Deployment
    pool_size: int
    max_overflow: int
    """Always 0: an overflow connection is opened and closed for each use."""
    pool_timeout: int
    """Seconds that a request may wait for a connection before it is answered 503."""
    pool_recycle: int
    """Seconds after which a connection is replaced."""
    task_pool_size: int
    """Connections of one task process; 0 without a task queue."""
    redis_pool_size: int
    """Connections to Redis of one process; 0 without Redis."""
    thread_limit: int
    """Threads for synchronous libraries."""
    concurrency_limit: int
    """Connections from clients after which a process answers 503 at once."""
    statement_timeout: int
    request_timeout: int
    graceful_timeout: int
    """Seconds that the server gives running requests when it is asked to stop."""
    grace_period: int
    pool_size_reason: str

    @property
    def connections_at_peak(self) -> int:
        """Database connections that all processes together can open."""
        facts = self.deployment
        web = facts.web_processes * (self.pool_size + self.max_overflow)
        return web + facts.task_processes * self.task_pool_size

    def rows(self) -> list[Row]:
        """The plan as a table, each value with its reason."""
        facts = self.deployment
        rows = [Row("web processes", str(facts.web_processes), _processes(facts.replicas, facts.workers, facts))]
        if facts.task_processes:
            reason = _processes(facts.task_replicas, facts.task_concurrency, facts)
            rows.append(Row("task processes", str(facts.task_processes), reason))
        if facts.max_connections is not None:
            rows.append(Row("usable connections", str(facts.usable_connections), _usable(facts)))
        else:
            rows += _FILE_ROWS
        rows.append(Row("pool_size", str(self.pool_size), self.pool_size_reason))
        rows.append(Row("max_overflow", str(self.max_overflow), "requests queue for a connection instead"))
        if self.task_pool_size:
            rows.append(Row("task pool_size", str(self.task_pool_size), "a task process runs one task at a time"))
        if facts.max_connections is not None:
            rows.append(Row("connections at peak", str(self.connections_at_peak), self._peak_sum()))
        if self.redis_pool_size:
            rows.append(Row("redis pool", str(self.redis_pool_size), f"of {facts.redis_max_connections} for everyone"))
        return [*rows, *self._limits(), *self._timeouts()]

    def as_dict(self) -> dict[str, Any]:
        """The plan for machines: the facts under ``deployment``, then every derived number."""
        facts = self.deployment
        return asdict(self) | {
            "web_processes": facts.web_processes,
            "task_processes": facts.task_processes,
            "usable_connections": facts.usable_connections,
            "connections_at_peak": self.connections_at_peak,
        }

    def _limits(self) -> list[Row]:
        return [
            Row("threads", str(self.thread_limit), "for synchronous libraries: cores + 4, at most 32"),
            Row("concurrency limit", str(self.concurrency_limit), "client connections before a process answers 503"),
        ]

    def _timeouts(self) -> list[Row]:
        return [
            Row("pool_timeout", f"{self.pool_timeout} s", "wait for a connection, then 503 with Retry-After"),
            Row("statement timeout", f"{self.statement_timeout} s", "longer than the wait, shorter than the request"),
            Row("request timeout", f"{self.request_timeout} s", "holds the wait and the statement"),
            Row("graceful timeout", f"{self.graceful_timeout} s", "a stopping server finishes its requests"),
            Row("grace period", f"{self.grace_period} s", "the platform kills after this"),
            Row("pool_recycle", f"{self.pool_recycle} s", "before a proxy drops a silent connection"),
        ]

    def _peak_sum(self) -> str:
        facts = self.deployment
        sum_in_words = f"{facts.web_processes} x {self.pool_size}"
        if facts.task_processes:
            sum_in_words += f" + {facts.task_processes} x {self.task_pool_size}"
        return f"{sum_in_words} = {self.connections_at_peak}, at most {facts.usable_connections}"


def plan(deployment: Deployment, *, pool_size: int | None = None) -> Plan:
    """Derive the plan of a deployment.

    ``pool_size`` overrides the derived size and is held to the same budget. Raises
    :class:`ConnectionBudgetError` when the connections do not suffice.
    """
    facts = deployment
    fitting, reason = _largest_pool(facts)
    if pool_size is not None:
        _check_pool_size(facts, pool_size)
        fitting, reason = pool_size, "as set"
    return Plan(
        deployment=facts,
        pool_size=fitting,
        max_overflow=0,
        pool_timeout=facts.grace_period // 10,
        pool_recycle=POOL_RECYCLE,
        task_pool_size=TASK_POOL_SIZE if facts.task_processes else 0,
        redis_pool_size=_redis_pool(facts),
        # Python's own rule for a pool of threads (concurrent.futures.ThreadPoolExecutor).
        thread_limit=min(32, facts.cpu_cores + 4),
        # 64 waiting requests of 50 ms for each connection are what pool_timeout can still serve.
        concurrency_limit=max(1_024, 64 * fitting),
        statement_timeout=facts.grace_period // 3,
        request_timeout=facts.grace_period * 2 // 3,
        graceful_timeout=facts.grace_period * 5 // 6,
        grace_period=facts.grace_period,
        pool_size_reason=reason,
    )


def _largest_pool(facts: Deployment) -> tuple[int, str]:
    if facts.usable_connections is None:
        _check_file_database(facts)
        return FILE_POOL_SIZE, "readers of the file, in each process"
    for_tasks = facts.task_processes * TASK_POOL_SIZE
    for_web = facts.usable_connections - for_tasks
    share = for_web // facts.web_processes
    if share < 1:
        raise ConnectionBudgetError(
            _shortage(facts, needed=facts.web_processes + facts.task_processes * TASK_POOL_SIZE)
        )
    reason = f"{for_web} connections / {_count(facts.web_processes, 'web process', 'web processes')} = {share}"
    if share > POOL_SIZE_CEILING:
        return POOL_SIZE_CEILING, f"{reason}, and one process keeps at most {POOL_SIZE_CEILING} busy"
    return share, reason


def _check_pool_size(facts: Deployment, pool_size: int) -> None:
    if pool_size < 1:
        raise ValueError(f"pool_size must be at least 1, not {pool_size}.")
    needed = facts.web_processes * pool_size + facts.task_processes * TASK_POOL_SIZE
    if facts.usable_connections is not None and needed > facts.usable_connections:
        raise ConnectionBudgetError(f"With pool_size set to {pool_size}: {_shortage(facts, needed=needed)}")


def _check_file_database(facts: Deployment) -> None:
    replicas = max(facts.replicas, facts.task_replicas)
    if replicas > 1:
        raise ConnectionBudgetError(
            f"SQLite is one file on one machine, so {replicas} replicas cannot share it."
            " Use 1 replica, or choose a database server."
        )
    if facts.rollout_surge:
        raise ConnectionBudgetError(
            "SQLite is one file on one machine, so versions cannot run side by side."
            " Use a rollout_surge of 0, or choose a database server."
        )


def _shortage(facts: Deployment, *, needed: int) -> str:
    smallest = facts.reserved_connections + -(-needed * 100 // facts.database_share)
    ways_out = "Use fewer workers or replicas"
    if smallest <= CONNECTIONS_CEILING:
        ways_out += f", or a database with max_connections of {smallest} or more"
    need = "needs" if facts.web_processes + facts.task_processes == 1 else "need"
    return (
        f"{_sum_of_processes(facts)} {need} {_count(needed, 'connection', 'connections')}, but only"
        f" {max(0, facts.usable_connections or 0)} are usable ({_usable(facts)}). {ways_out}."
    )


def _sum_of_processes(facts: Deployment) -> str:
    words = _count(facts.web_processes, "web process", "web processes")
    if not facts.task_processes:
        return words
    return f"{words} and {_count(facts.task_processes, 'task process', 'task processes')}"


def _usable(facts: Deployment) -> str:
    words = f"{facts.max_connections} - {facts.reserved_connections} reserved"
    return words if facts.database_share == 100 else f"({words}) x {facts.database_share} %"


def _processes(replicas: int, processes: int, facts: Deployment) -> str:
    words = f"{_count(replicas, 'replica', 'replicas')} x {_count(processes, 'process', 'processes')}"
    return f"{words}, + {facts.rollout_surge} % of the replicas in a rollout" if facts.rollout_surge else words


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _redis_pool(facts: Deployment) -> int:
    if facts.redis_max_connections is None:
        return 0
    share = facts.redis_max_connections * 4 // 5 // (facts.web_processes + facts.task_processes)
    return max(1, min(REDIS_POOL_CEILING, share))


def _main() -> None:
    # Late, because app.config itself imports this module for its facts.
    rows = importlib.import_module("app.config").load_settings().plan.rows()
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for row in rows:
        print(f"{row.name:<{widths[0]}}  {row.value:>{widths[1]}}  {row.reason}")


if __name__ == "__main__":
    _main()
