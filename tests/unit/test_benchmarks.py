"""The benchmarks' report, from figures that were recorded: nothing is timed here."""

import subprocess
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from matrix import ROOT


@pytest.fixture(autouse=True)
def _find_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.fixture
def report() -> ModuleType:
    return import_module("benchmarks.report")


def test_help_names_every_row() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "one of hit, 304, redis, near" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("rates", "others", "verdict"),
    [([9, 10, 12], [10, 10, 10], "stretch reached"), ([8, 8, 8], [9, 10, 11], "reached"), ([7], [10], "**missed**")],
)
def test_a_ratio_of_medians_is_held_to_its_goals(rates: list[float], others: list[float], verdict: str) -> None:
    claims = import_module("benchmarks.claims")
    claim = next(claim for claim in claims.CACHE if claim.row == "hit")
    outcome = claim.outcome({claim.case: _samples(rates), claim.over: _samples(others)})
    assert outcome.verdict == verdict


def test_a_report_says_what_was_missed_and_that_the_machine_was_noisy(report: ModuleType) -> None:
    record = import_module("benchmarks.record")
    outcome = import_module("benchmarks.outcome")
    figures = import_module("benchmarks.figures")
    found = record.Record(
        facts={"command": "python -m benchmarks", "date": "today", "commit": "abc", "minutes": "1"},
        outcomes=[outcome.Goal(least=0.8).outcome("hit", "hit ÷ raw", 0.7, measured="0.70", spread="0.60–0.80")],
        cases={"cache": {"raw": figures.figures_of(_samples([10, 20, 30]))}},
        experiments={},
        noise=["cache: the bare server was unsteady."],
    )
    text = report.markdown(record.record_of(found.to_json()), [])
    assert "| hit | hit ÷ raw | 0.70 | 0.60–0.80 | 0.8 | – | **missed** |" in text
    assert "**The machine was too noisy**" in text
    assert "| raw | 20 | 50 |" in text


def test_a_report_says_where_the_time_of_a_cached_answer_goes(report: ModuleType) -> None:
    record = import_module("benchmarks.record")
    figures = import_module("benchmarks.figures")
    rates = {"raw": 50_000, "hit, cache alone": 40_000, "hit": 31_250}
    found = record.Record(
        facts={"command": "python -m benchmarks", "date": "today", "commit": "abc", "minutes": "1"},
        outcomes=[],
        cases={"cache": {name: figures.figures_of(_samples([rate])) for name, rate in rates.items()}},
        experiments={},
        noise=[],
    )
    assert "| hit in memory | 20.0 | 5.0 | 7.0 | 32.0 |" in report.markdown(found, [])


def _samples(rates: list[float]) -> list[Any]:
    rounds = import_module("benchmarks.rounds")
    wrk = import_module("benchmarks.wrk")
    return [
        rounds.Sample(
            load=wrk.Load(
                requests=100,
                requests_per_second=rate,
                p50=1,
                p95=2,
                p99=3,
                longest=4,
                failures=0,
                socket_errors=0,
                bytes_per_answer=5,
            ),
            cpu_microseconds=1e6 / rate,
            core_wait=0,
        )
        for rate in rates
    ]
