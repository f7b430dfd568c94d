"""The command line: ``python -m benchmarks --help``."""

import argparse
import signal
import sys
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks import cores, machine, report, wrk
from benchmarks.effort import FULL, QUICK
from benchmarks.laboratory import laboratory
from benchmarks.peers import PEERS
from benchmarks.record import Record, record_of
from benchmarks.run import ROWS, expected_minutes, run

# The packages of the group that services have no use for: for the plots, and for the synchronous opponents.
_PACKAGES = ("matplotlib", "psycopg")
_PEERS_ONLY = "peers"
_REPORT = Path(__file__).parent / "report"


def main() -> None:
    """Measure, and write or print what was found. Ends with a sentence when it cannot."""
    arguments = _parser().parse_args()
    if arguments.render is not None:
        report.write(record_of(arguments.render.read_text()), arguments.output or _REPORT)
        return
    reason = _why_not()
    if reason is not None:
        sys.exit(reason)
    # As Ctrl-C does: leave through every block, so that everything started is ended.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("Stopped."))
    try:
        record = _measure(arguments)
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    except RuntimeError as error:
        sys.exit(f"Error: {error}")
    print(report.summary(record))
    whole = not arguments.quick and not arguments.only
    directory = arguments.output or (_REPORT if whole else None)
    if directory is not None:
        report.write(record, directory)
        print(f"The report is in {directory}.")


def _measure(arguments: argparse.Namespace) -> Record:
    peers = arguments.peer or ()
    rows = [row for row in arguments.only or ROWS if row != _PEERS_ONLY]
    effort = QUICK if arguments.quick else FULL
    effort = replace(effort, rounds=arguments.rounds or effort.rounds, seconds=arguments.seconds or effort.seconds)
    print(f"This takes about {expected_minutes(rows, peers, effort):.0f} minutes.", flush=True)
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as name,
        cores.pinned_to([cores.OTHER_CORE]),
        cores.kept_awake() as is_awake,
    ):
        directory = Path(name)
        # PostgreSQL may run as another user, who has to enter.
        directory.chmod(0o755)
        with laboratory(directory, arguments.revision) as built:
            _say("ready")
            record = run(built, rows, peers, effort, _say)
    facts = {
        "command": machine.command(),
        "commit": machine.commit(arguments.revision),
        "minutes": f"{(time.monotonic() - started) / 60:.1f}",
        **record.facts,
        "idle cores": "polling" if is_awake else "sleeping: what a slower server pays to wake wrk is in its figures",
    }
    return replace(record, facts=facts)


def _why_not() -> str | None:
    if sys.platform != "linux":
        return "The benchmarks pin processes to cores and read /proc: they need Linux."
    if not cores.are_available():
        return "The benchmarks need the cores 0 and 1 to themselves; this process may not use both."
    if any(find_spec(name) is None for name in _PACKAGES):
        return "Run them with their own packages: uv run --group benchmarks python -m benchmarks"
    if not wrk.is_installed():
        return "There is no wrk; install it (Debian, Ubuntu: apt-get install wrk)."
    return None


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure a rendered service beside what people use today."
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds; prints the table")
    parser.add_argument(
        "--only",
        action="append",
        choices=(*ROWS, _PEERS_ONLY),
        metavar="ROW",
        help=f"one of {', '.join(ROWS)}, or {_PEERS_ONLY}; prints the table",
    )
    parser.add_argument(
        "--peer", action="append", choices=PEERS, metavar="NAME", help=f"install and measure too: {', '.join(PEERS)}"
    )
    parser.add_argument("--output", type=Path, help="where to write the report (default: benchmarks/report)")
    parser.add_argument("--revision", help="render the template of this commit (default: the work tree)")
    parser.add_argument("--rounds", type=int, help="rounds of each block")
    parser.add_argument("--seconds", type=int, help="seconds of each case in a round")
    parser.add_argument(
        "--render", type=Path, metavar="FIGURES", help="write the report of an earlier run's figures.json"
    )
    return parser


if __name__ == "__main__":
    main()
