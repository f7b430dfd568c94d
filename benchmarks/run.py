"""One run: the blocks, then the experiments, and what was noisy."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks import backends, machine
from benchmarks.blocks import BLOCKS, STEADY_CASE, WAITS, Block
from benchmarks.cases import Case, cases_with
from benchmarks.effort import Effort
from benchmarks.experiments import EXPERIMENTS
from benchmarks.figures import CaseFigures, figures_of
from benchmarks.laboratory import Laboratory
from benchmarks.outcome import Outcome, Verdict
from benchmarks.peers import PEERS, Peer
from benchmarks.record import Record
from benchmarks.rounds import check, measure

ROWS = tuple(dict.fromkeys([*(row for block in BLOCKS for row in block.rows), *EXPERIMENTS]))
"""What ``--only`` may name."""

# The bare server does the same in each round: what its figures differ by is the machine's doing.
_NOISY_SPREAD = 0.2
_NOISY_WAIT = 0.05
_NOISY_OTHERS = 0.1
_NOISY_THEFT = 0.02

Say = Callable[[str], None]


@dataclass
class _Findings:
    outcomes: list[Outcome] = field(default_factory=list)
    cases: dict[str, dict[str, CaseFigures]] = field(default_factory=dict)
    experiments: dict[str, object] = field(default_factory=dict)
    noise: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def expected_minutes(rows: Collection[str], peers: Collection[str], effort: Effort) -> float:
    """About how long a run takes."""
    known = cases_with("")
    seconds = 20 + sum(_block_seconds(block.only(rows), known, effort) for block in BLOCKS)
    experiments = {
        "pool": effort.pool_rounds * 2 * (effort.pool_seconds + 9),
        "concurrency": (2 * len(effort.levels) + 1) * effort.level_seconds + 5,
        "cold": 15 + 3 * effort.cold_rounds,
        "memory": 10 + 2 * effort.distinct_keys / 1000,
        "large": 5 + effort.large_rounds * 5 * (effort.large_seconds + 1),
    }
    seconds += sum(experiments[row] for row in rows if row in experiments)
    # Installing and rendering, and three cases beside those that the peers bring.
    seconds += 20 * len(peers) + (2 * len(peers) + 3 if peers else 0) * (2 + effort.rounds * effort.seconds)
    return seconds / 60


def _block_seconds(block: Block, known: Mapping[str, Case], effort: Effort) -> float:
    cases = block.cases(known)
    servers = {case.server.name for case in cases}
    seconds = effort.wait_seconds if block.name == WAITS else effort.seconds
    return 3 * len(servers) + len(cases) * (1.5 + effort.rounds * (seconds + 0.2))


def run(laboratory: Laboratory, rows: Collection[str], peers: Collection[str], effort: Effort, say: Say) -> Record:
    """Measure these rows and peers. What fails is reported, and the others go on."""
    facts = machine.description() | machine.software() | _servers(laboratory)
    findings = _Findings()
    known = cases_with(laboratory.token)
    if not laboratory.has_near_cache and "near" in rows:
        findings.remarks.append("near: the rendered service has no near cache.")
        rows = [row for row in rows if row != "near"]
    for block in BLOCKS:
        _measure_block(block.only(rows), known, laboratory, effort, findings, say)
    for row, experiment in EXPERIMENTS.items():
        if row in rows:
            say(row)
            disturbance = machine.Disturbance()
            try:
                found = experiment(laboratory, effort)
            except (RuntimeError, OSError) as error:
                _give_up([row], error, findings)
                continue
            findings.outcomes.extend(found.outcomes)
            findings.experiments[row] = found.figures
            findings.noise.extend(_noise_of_others(row, disturbance))
    if peers:
        _measure_peers(peers, known, laboratory, effort, findings, say)
    return Record(
        facts=facts,
        outcomes=findings.outcomes,
        cases=findings.cases,
        experiments=findings.experiments,
        noise=findings.noise,
        remarks=findings.remarks,
    )


def _measure_peers(
    names: Collection[str],
    known: Mapping[str, Case],
    laboratory: Laboratory,
    effort: Effort,
    findings: _Findings,
    say: Say,
) -> None:
    ready: list[Peer] = []
    for name in names:
        say(name)
        directory = laboratory.directory / "peers" / name
        directory.mkdir(parents=True)
        try:
            peer = PEERS[name](laboratory, directory)
            laboratory = laboratory.with_service(peer.name, peer.project)
            check(peer.cases, laboratory)
        except (RuntimeError, OSError) as error:
            findings.remarks.append(f"{name}: {error}.")
            continue
        ready.append(peer)
    cases = {case.name: case for peer in ready for case in peer.cases}
    block = Block(name="peers", claims=[claim for peer in ready for claim in peer.claims], shown={})
    _measure_block(block, {**known, **cases}, laboratory, effort, findings, say)


def _measure_block(
    block: Block,
    known: Mapping[str, Case],
    laboratory: Laboratory,
    effort: Effort,
    findings: _Findings,
    say: Say,
) -> None:
    cases = block.cases(known)
    if not cases:
        return
    disturbance = machine.Disturbance()
    try:
        samples = measure(
            cases,
            laboratory,
            rounds=effort.rounds,
            seconds=effort.wait_seconds if block.name == WAITS else effort.seconds,
            say=lambda text: say(f"{block.name}: {text}"),
        )
    except (RuntimeError, OSError) as error:
        _give_up(block.rows, error, findings)
        return
    findings.outcomes.extend(claim.outcome(samples) for claim in block.claims)
    findings.cases[block.name] = {name: figures_of(taken) for name, taken in samples.items()}
    findings.noise.extend(_noise_of_others(block.name, disturbance))
    findings.noise.extend(_unsteadiness(block.name, findings.cases[block.name][STEADY_CASE]))


def _give_up(rows: Sequence[str], error: Exception, findings: _Findings) -> None:
    findings.outcomes.extend(
        Outcome(row=row, what=f"not measured: {error}", measured="–", verdict=Verdict.ABSENT) for row in rows
    )


def _noise_of_others(part: str, disturbance: machine.Disturbance) -> list[str]:
    found = []
    if disturbance.others > _NOISY_OTHERS:
        found.append(f"{part}: other processes used {disturbance.others:.0%} of the machine.")
    if disturbance.stolen > _NOISY_THEFT:
        found.append(f"{part}: the host gave {disturbance.stolen:.0%} of the machine to others.")
    return found


def _unsteadiness(block: str, steady: CaseFigures) -> list[str]:
    found = []
    if steady.rate.spread > _NOISY_SPREAD:
        found.append(f"{block}: the bare server's requests/s ranged over {steady.rate.spread:.0%} of their median.")
    if steady.core_wait > _NOISY_WAIT:
        found.append(f"{block}: the bare server was kept from its core for up to {steady.core_wait:.0%} of a round.")
    return found


def _servers(laboratory: Laboratory) -> dict[str, str]:
    return {
        "PostgreSQL": backends.postgresql_version(laboratory.environment["DATABASE_URL"]),
        "Valkey": backends.valkey_version(laboratory.environment["REDIS_URL"]),
    }
