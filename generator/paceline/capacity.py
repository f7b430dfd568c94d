"""How many database connections one process may hold, and which timeouts follow from that.

Inputs are facts about the deployment (:class:`Deployment`); everything else is derived
(:class:`Plan`), so that for every accepted deployment, also in the middle of a rollout::

    web processes x (pool_size + max_overflow) + task processes x task_pool_size <= usable connections

With PgBouncer in front of the database, the processes are its clients, and it holds the budget::

    PgBouncer instances x default_pool_size <= usable connections
    web processes x (pool_size + max_overflow) + task processes x task_pool_size <= 10 for each of those

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
    "stops_beside_starts": (0, 1),
    "workers": (1, 512),
    "respawns_workers": (0, 1),
    "task_replicas": (0, 1_000),
    "task_concurrency": (0, 256),
    "pgbouncer_instances": (0, 100),
    "cpu_cores": (1, 256),
    "grace_period": (10, 3_600),
    "redis_max_connections": (1, 1_000_000),
    "memcached_max_connections": (1, 1_000_000),
}

# Little's law: one process answers some 1,000 queries a second at best, so with queries of 30 ms
# it keeps about 30 connections busy. More of them only wait inside the database.
POOL_SIZE_CEILING = 32

# A file database opens a thread for each connection and has one writer: a few readers suffice.
FILE_POOL_SIZE = 4

# A prefork task process runs one task at a time.
TASK_POOL_SIZE = 1

# In transaction mode a connection serves one client at a time: with queries of 30 ms, the last of ten
# has its turn after 0.3 s, within the shortest query_wait_timeout of 1 s.
CLIENTS_PER_CONNECTION = 10

# What else connects to PgBouncer: people, probes, and clients whose last connection it has not missed yet.
CLIENT_RESERVE = 100

# Below the 3,600 s after which many proxies and firewalls drop a silent connection.
POOL_RECYCLE = 1_800

# Commands of one process share few connections; a fifth of the server stays free for others.
CACHE_POOL_CEILING = 20


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
    stops_beside_starts: int = 0
    """1 where as many replicas as start may still be stopping, with their connections; 0 where none starts before."""
    workers: int = 1
    """Server processes in each replica."""
    respawns_workers: int = 1
    """1 when a server process that dies is replaced; 0 when its replica ends with it, to be started again."""
    task_replicas: int = 0
    """The most task workers (containers) that run at once; 0 without a task queue."""
    task_concurrency: int = 0
    """Child processes in each task worker."""
    pgbouncer_instances: int | None = None
    """PgBouncers in transaction mode, in front of the database; 0 where one can be added, None where not."""
    cpu_cores: int = 2
    """Cores of one replica."""
    grace_period: int = 30
    """Seconds between the platform's request to stop and its kill."""
    redis_max_connections: int | None = None
    """What the Redis server accepts in all (its ``maxclients``, 10,000 by default); None without Redis."""
    memcached_max_connections: int | None = None
    """What the Memcached server accepts in all (its ``-c``, 1,024 by default); None without Memcached."""

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

    @property
    def default_pool_size(self) -> int:
        """Connections to the database of each PgBouncer; 0 without one."""
        if not self.pgbouncer_instances or self.usable_connections is None:
            return 0
        return max(0, self.usable_connections // self.pgbouncer_instances)

    @property
    def client_budget(self) -> int | None:
        """Connections that all processes may hold, to the database or to PgBouncer; None for a file."""
        if not self.pgbouncer_instances:
            return self.usable_connections
        return CLIENTS_PER_CONNECTION * self.pgbouncer_instances * self.default_pool_size

    def _at_peak(self, replicas: int) -> int:
        starting = -(-replicas * self.rollout_surge // 100)
        # Each that stops has its successor among those that started: never more than twice the replicas.
        return replicas + min(replicas, starting * (1 + self.stops_beside_starts))


class Row(NamedTuple):
    """One line of the plan: a name, its value with the unit, and the sum in words."""

    name: str
    value: str
    reason: str


# What a database that is a file carries, and what it does not.
_FILE_ROWS = (
    Row("machines", "1", "a file: no second replica, and no rolling release"),
    Row("writers", "1", "at a time: others wait, and readers go on beside it"),
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
    default_pool_size: int
    """Connections to the database of each PgBouncer; 0 without one."""
    max_client_conn: int
    """Clients that each PgBouncer accepts; 0 without one."""
    query_wait_timeout: int
    """Seconds that a client may wait in PgBouncer before it is sent away; 0 without one."""
    task_pool_size: int
    """Connections of one task process; 0 without a task queue."""
    redis_pool_size: int
    """Connections to Redis of one process; 0 without Redis."""
    memcached_pool_size: int
    """Connections to Memcached of one process; 0 without Memcached."""
    thread_limit: int
    """Threads for synchronous libraries."""
    concurrency_limit: int
    """Requests at once; to what comes beyond them a process answers 503."""
    statement_timeout: int
    request_timeout: int
    graceful_timeout: int
    """Seconds that the server gives running requests when it is asked to stop."""
    grace_period: int
    pool_size_reason: str

    @property
    def connections_at_peak(self) -> int:
        """Database connections that the service can open in all."""
        if self.deployment.pgbouncer_instances:
            return self.deployment.pgbouncer_instances * self.default_pool_size
        return self.clients_at_peak

    @property
    def clients_at_peak(self) -> int:
        """Connections that all processes together can open, to the database or to PgBouncer."""
        facts = self.deployment
        web = facts.web_processes * (self.pool_size + self.max_overflow)
        return web + facts.task_processes * self.task_pool_size

    def rows(self) -> list[Row]:
        """The plan as a table, each value with its reason."""
        facts = self.deployment
        reason = _processes(facts.replicas, facts.workers, facts)
        if not facts.respawns_workers:
            reason += "; one that dies ends its replica, which the platform starts again"
        rows = [Row("web processes", str(facts.web_processes), reason)]
        if facts.task_processes:
            reason = _processes(facts.task_replicas, facts.task_concurrency, facts)
            rows.append(Row("task processes", str(facts.task_processes), reason))
        if facts.max_connections is not None:
            rows.append(Row("usable connections", str(facts.usable_connections), _usable(facts)))
        else:
            rows += _FILE_ROWS
        if facts.pgbouncer_instances:
            rows.append(Row("default_pool_size", str(self.default_pool_size), self._server_pool()))
        rows.append(Row("pool_size", str(self.pool_size), self.pool_size_reason))
        rows.append(Row("max_overflow", str(self.max_overflow), "requests queue for a connection instead"))
        if self.task_pool_size:
            rows.append(Row("task pool_size", str(self.task_pool_size), "a task process runs one task at a time"))
        if facts.pgbouncer_instances:
            most = f"at most {CLIENTS_PER_CONNECTION} x {self.connections_at_peak} = {facts.client_budget}"
            rows.append(Row("clients at peak", str(self.clients_at_peak), f"{self._sum_of_pools()}, {most}"))
            reason = f"{facts.client_budget} and {CLIENT_RESERVE} for people and for clients that reconnect"
            rows.append(Row("max_client_conn", str(self.max_client_conn), reason))
        if facts.max_connections is not None:
            rows.append(Row("connections at peak", str(self.connections_at_peak), self._peak_sum()))
        if self.redis_pool_size:
            rows.append(Row("redis pool", str(self.redis_pool_size), f"of {facts.redis_max_connections} for everyone"))
        if self.memcached_pool_size:
            reason = f"of {facts.memcached_max_connections} for everyone"
            rows.append(Row("memcached pool", str(self.memcached_pool_size), reason))
        return [*rows, *self._limits(), *self._timeouts()]

    def as_dict(self) -> dict[str, Any]:
        """The plan for machines: the facts under ``deployment``, then every derived number."""
        facts = self.deployment
        return asdict(self) | {
            "web_processes": facts.web_processes,
            "task_processes": facts.task_processes,
            "usable_connections": facts.usable_connections,
            "clients_at_peak": self.clients_at_peak,
            "connections_at_peak": self.connections_at_peak,
        }

    def _limits(self) -> list[Row]:
        return [
            Row("threads", str(self.thread_limit), "for synchronous libraries: cores + 4, at most 32"),
            Row("concurrency limit", str(self.concurrency_limit), "callers at once before a process answers 503"),
        ]

    def _timeouts(self) -> list[Row]:
        waits = [Row("pool_timeout", f"{self.pool_timeout} s", "wait for a connection, then 503 with Retry-After")]
        if self.query_wait_timeout:
            waits.append(Row("query_wait_timeout", f"{self.query_wait_timeout} s", "the same wait in PgBouncer"))
        return [
            *waits,
            Row("statement timeout", f"{self.statement_timeout} s", "longer than the wait, shorter than the request"),
            Row("request timeout", f"{self.request_timeout} s", "holds the wait and the statement"),
            Row("graceful timeout", f"{self.graceful_timeout} s", "a stopping server finishes its requests"),
            Row("grace period", f"{self.grace_period} s", "the platform kills after this"),
            Row("pool_recycle", f"{self.pool_recycle} s", "before a proxy drops a silent connection"),
        ]

    def _server_pool(self) -> str:
        facts = self.deployment
        instances = _count(facts.pgbouncer_instances or 0, "PgBouncer", "PgBouncers")
        return f"{facts.usable_connections} connections / {instances}"

    def _sum_of_pools(self) -> str:
        facts = self.deployment
        sum_in_words = f"{facts.web_processes} x {self.pool_size}"
        if facts.task_processes:
            sum_in_words += f" + {facts.task_processes} x {self.task_pool_size}"
        return f"{sum_in_words} = {self.clients_at_peak}"

    def _peak_sum(self) -> str:
        facts = self.deployment
        sum_in_words = self._sum_of_pools()
        if facts.pgbouncer_instances:
            sum_in_words = f"{facts.pgbouncer_instances} x {self.default_pool_size} = {self.connections_at_peak}"
        return f"{sum_in_words}, at most {facts.usable_connections}"


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
        default_pool_size=facts.default_pool_size,
        max_client_conn=(facts.client_budget or 0) + CLIENT_RESERVE if facts.pgbouncer_instances else 0,
        query_wait_timeout=facts.grace_period // 6 if facts.pgbouncer_instances else 0,
        task_pool_size=TASK_POOL_SIZE if facts.task_processes else 0,
        redis_pool_size=_cache_pool(facts.redis_max_connections, facts),
        memcached_pool_size=_cache_pool(facts.memcached_max_connections, facts),
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
    if facts.client_budget is None:
        _check_file_database(facts)
        return FILE_POOL_SIZE, "readers of the file, in each process"
    for_tasks = facts.task_processes * TASK_POOL_SIZE
    for_web = facts.client_budget - for_tasks
    share = for_web // facts.web_processes
    if share < 1:
        raise ConnectionBudgetError(
            _shortage(facts, needed=facts.web_processes + facts.task_processes * TASK_POOL_SIZE)
        )
    clients = "clients of PgBouncer" if facts.pgbouncer_instances else "connections"
    reason = f"{for_web} {clients} / {_count(facts.web_processes, 'web process', 'web processes')} = {share}"
    behind = (facts.pgbouncer_instances or 0) * facts.default_pool_size
    if behind < min(share, POOL_SIZE_CEILING) and facts.pgbouncer_instances:
        return behind, f"{reason}, and no more than {behind} are served at once"
    if share > POOL_SIZE_CEILING:
        return POOL_SIZE_CEILING, f"{reason}, and one process keeps at most {POOL_SIZE_CEILING} busy"
    return share, reason


def _check_pool_size(facts: Deployment, pool_size: int) -> None:
    if pool_size < 1:
        raise ValueError(f"pool_size must be at least 1, not {pool_size}.")
    needed = facts.web_processes * pool_size + facts.task_processes * TASK_POOL_SIZE
    if facts.client_budget is not None and needed > facts.client_budget:
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
    clients, needed = needed, _behind_pgbouncer(needed, facts.pgbouncer_instances or 0)
    smallest = facts.reserved_connections + -(-needed * 100 // facts.database_share)
    ways_out = "Use fewer workers or replicas"
    if facts.pgbouncer_instances == 0 and _behind_pgbouncer(needed, 1) <= (facts.usable_connections or 0):
        ways_out += ", or PgBouncer"
    if smallest <= CONNECTIONS_CEILING:
        ways_out += f", or a database with max_connections of {smallest} or more"
    need = "needs" if facts.web_processes + facts.task_processes == 1 else "need"
    connections = _count(needed, "connection", "connections")
    if facts.pgbouncer_instances:
        connections += f" behind PgBouncer ({clients} clients, {CLIENTS_PER_CONNECTION} for each)"
    return (
        f"{_sum_of_processes(facts)} {need} {connections}, but only"
        f" {max(0, facts.usable_connections or 0)} are usable ({_usable(facts)}). {ways_out}."
    )


def _behind_pgbouncer(clients: int, instances: int) -> int:
    """The connections that serve so many clients: the same for each PgBouncer, or without one their number."""
    return instances * -(-clients // (CLIENTS_PER_CONNECTION * instances)) if instances else clients


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
    if not facts.rollout_surge:
        return words
    as_many = ", and as many that stop" if facts.stops_beside_starts else ""
    return f"{words}, + {facts.rollout_surge} % of the replicas in a rollout{as_many}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _cache_pool(max_connections: int | None, facts: Deployment) -> int:
    if max_connections is None:
        return 0
    share = max_connections * 4 // 5 // (facts.web_processes + facts.task_processes)
    return max(1, min(CACHE_POOL_CEILING, share))


def _main() -> None:
    # Late, because app.config itself imports this module for its facts.
    rows = importlib.import_module("app.config").load_settings().plan.rows()
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for row in rows:
        print(f"{row.name:<{widths[0]}}  {row.value:>{widths[1]}}  {row.reason}")


if __name__ == "__main__":
    _main()
