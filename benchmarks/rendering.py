"""How long the command line takes, beside what it cannot be faster than: ``uv run python benchmarks/rendering.py``.

Each round times every command once, so that a busy machine slows them alike; ratios are of medians. The
service is rendered from a clone of the last commit, because a checkout with changes takes copier longer.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 10
ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent


def main() -> None:
    """Print the medians in seconds, and the ratios with the most that each may be."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        template = directory / "template"
        _run(["git", "clone", "--quiet", str(ROOT), str(template)])
        environment = {**os.environ, "PYTHONPATH": str(template / "generator")}
        commands = {
            "copier copy": [str(PROGRAMS / "copier"), "copy", "--quiet", "--defaults", str(template)],
            "paceline new": [str(PROGRAMS / "paceline"), "new", "--defaults"],
            "paceline new --no-git": [str(PROGRAMS / "paceline"), "new", "--defaults", "--no-git"],
        }
        seconds: dict[str, list[float]] = {}
        for number in range(ROUNDS):
            for label, command in commands.items():
                target = str(directory / f"{label}-{number}".replace(" ", "-"))
                seconds.setdefault(label, []).append(_time([*command, target], environment))
            for label, command in {
                "import typer": [sys.executable, "-c", "import typer"],
                "paceline --help": [str(PROGRAMS / "paceline"), "--help"],
            }.items():
                seconds.setdefault(label, []).append(_time(command, environment))
    _report({label: median(times) for label, times in seconds.items()})


def _report(medians: dict[str, float]) -> None:
    for label, value in medians.items():
        print(f"{label:<22} {value:6.3f} s")
    for label, base, most in (
        ("paceline new", "copier copy", 1.5),
        ("paceline new --no-git", "copier copy", 1.5),
        ("paceline --help", "import typer", 2.0),
    ):
        print(f"{label} / {base}: {medians[label] / medians[base]:.2f} (at most {most})")


def _time(command: list[str], environment: dict[str, str]) -> float:
    start = perf_counter()
    _run(command, environment)
    return perf_counter() - start


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603


if __name__ == "__main__":
    main()
