"""The command line: ``python -m benchmarks --help``."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import cores
from benchmarks.cases import cases_with
from benchmarks.claims import BLOCKS
from benchmarks.figures import CPU, P99, RATE, figure_of
from benchmarks.laboratory import laboratory
from benchmarks.rounds import Duration, Samples, measure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--revision")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    duration = Duration(
        rounds=arguments.rounds or (2 if arguments.quick else 5),
        seconds=arguments.seconds or (1 if arguments.quick else 3),
    )
    outcomes = []
    samples: Samples = {}
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name, cores.pinned_to([cores.OTHER_CORE]):
        Path(name).chmod(0o755)
        with laboratory(Path(name), arguments.revision) as built:
            cases = cases_with(built.token)
            print(f"ready {time.monotonic() - start:.0f} s", flush=True)
            for block in BLOCKS:
                claims = [claim for claim in block if not arguments.only or claim.row in arguments.only]
                claims = [claim for claim in claims if claim.row != "near" or built.has_near_cache]
                if not claims:
                    continue
                names = dict.fromkeys(["raw", *(case for claim in claims for case in claim.cases)])
                measured = measure(
                    [cases[name] for name in names], built, duration, lambda text: print(text, flush=True)
                )
                samples.update(measured)
                outcomes.extend(claim.outcome(measured) for claim in claims)
    for outcome in outcomes:
        print(
            f"{outcome.row:11} {outcome.what:55} {outcome.measured:>7} {outcome.spread:>13} {outcome.least:>6} {outcome.stretch:>6} {outcome.verdict}"
        )
    print()
    for name, taken in samples.items():
        rate, cpu, p99 = figure_of(taken, RATE), figure_of(taken, CPU), figure_of(taken, P99)
        p50, p95 = (
            sorted(s.load.p50 for s in taken)[len(taken) // 2],
            sorted(s.load.p95 for s in taken)[len(taken) // 2],
        )
        print(
            f"{name:35} {rate.median:8.0f}/s ±{rate.spread * 50:3.0f}% cpu {cpu.median:6.0f} p50 {p50:7.1f} p95 {p95:7.1f} p99 {p99.median:7.1f} fail {sum(s.load.failures for s in taken)} sock {sum(s.load.socket_errors for s in taken)}"
        )
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
