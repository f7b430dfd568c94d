"""One run: the blocks, then the experiments, and what was noisy."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from benchmarks import backends, machine
from benchmarks.blocks import BLOCKS, STEADY_CASE, Block
from benchmarks.cases import cases_with
from benchmarks.effort import Effort
from benchmarks.experiments import EXPERIMENTS
from benchmarks.figures import CaseFigures, figures_of
from benchmarks.laboratory import Laboratory
from benchmarks.outcome import Outcome, Verdict
from benchmarks.record import Record
from benchmarks.rounds import measure

ROWS = tuple(dict.fromkeys([*(row for block in BLOCKS for row in block.rows), *EXPERIMENTS]))
"""What ``--only`` may name."""

# The bare server does the same in each round: what its figures differ by is the machine's doing.
_NOISY_SPREAD = 0.2
_NOISY_WAIT = 0.05
_NOISY_THEFT = 0.02

Say = Callable[[str], None]


@dataclass
class _Findings:
    outcomes: list[Outcome] = field(default_factory=list)
    cases: dict[str, dict[str, CaseFigures]] = field(default_factory=dict)
    experiments: dict[str, object] = field(default_factory=dict)
    noise: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def expected_minutes(rows: Collection[str], effort: Effort) -> float:
    """About how long a run takes."""
    cases = [case for block in BLOCKS for case in block.only(rows).cases(cases_with(""))]
    seconds = {
        "pool": effort.pool_rounds * 2 * (effort.pool_seconds + 6),
        "concurrency": len(effort.levels) * 2 * effort.level_seconds + 5,
        "cold": 10 + 3 * effort.cold_rounds,
        "memory": 10 + effort.distinct_keys / 1000,
        "large": effort.large_rounds * 4 * (effort.large_seconds + 1),
    }
    blocks = len(cases) * (2.5 + effort.rounds * (effort.seconds + 0.2))
    return (20 + blocks + sum(seconds[row] for row in rows if row in seconds)) / 60


def run(laboratory: Laboratory, rows: Collection[str], effort: Effort, say: Say) -> Record:
    """Measure these rows. A row that fails is reported, and the others go on."""
    theft = machine.Theft()
    facts = machine.description() | machine.software() | _servers(laboratory)
    findings = _Findings()
    for block in BLOCKS:
        _measure_block(block.only(rows), laboratory, effort, findings, say)
    for row, experiment in EXPERIMENTS.items():
        if row in rows:
            say(row)
            try:
                found = experiment(laboratory, effort)
            except (RuntimeError, OSError) as error:
                _give_up([row], error, findings)
                continue
            findings.outcomes.extend(found.outcomes)
            findings.experiments[row] = found.figures
    if theft.share > _NOISY_THEFT:
        findings.noise.append(f"The host gave {theft.share:.0%} of this machine's time to others.")
    return Record(
        facts=facts,
        outcomes=findings.outcomes,
        cases=findings.cases,
        experiments=findings.experiments,
        noise=findings.noise,
        remarks=findings.remarks,
    )


def _measure_block(block: Block, laboratory: Laboratory, effort: Effort, findings: _Findings, say: Say) -> None:
    if not laboratory.has_near_cache and "near" in block.rows:
        findings.remarks.append("near: the rendered service has no near cache.")
        block = block.only([row for row in block.rows if row != "near"])
    cases = block.cases(cases_with(laboratory.token))
    if not cases:
        return
    try:
        samples = measure(
            cases,
            laboratory,
            rounds=effort.rounds,
            seconds=effort.seconds,
            say=lambda text: say(f"{block.name}: {text}"),
        )
    except (RuntimeError, OSError) as error:
        _give_up(block.rows, error, findings)
        return
    findings.outcomes.extend(claim.outcome(samples) for claim in block.claims)
    findings.cases[block.name] = {name: figures_of(taken) for name, taken in samples.items()}
    findings.noise.extend(_noise(block.name, findings.cases[block.name][STEADY_CASE]))


def _give_up(rows: Sequence[str], error: Exception, findings: _Findings) -> None:
    findings.outcomes.extend(
        Outcome(row=row, what=f"not measured: {error}", measured="–", verdict=Verdict.ABSENT) for row in rows
    )


def _noise(block: str, steady: CaseFigures) -> list[str]:
    found = []
    if steady.rate.spread > _NOISY_SPREAD:
        found.append(
            f"{block}: the bare server's requests/s ranged over {steady.rate.spread:.0%} of their median "
            f"(more than {_NOISY_SPREAD:.0%})."
        )
    if steady.core_wait > _NOISY_WAIT:
        found.append(
            f"{block}: others had the bare server's core for up to {steady.core_wait:.0%} of a round "
            f"(more than {_NOISY_WAIT:.0%})."
        )
    return found


def _servers(laboratory: Laboratory) -> dict[str, str]:
    return {
        "PostgreSQL": backends.postgresql_version(laboratory.environment["DATABASE_URL"]),
        "Valkey": backends.valkey_version(laboratory.environment["REDIS_URL"]),
    }
