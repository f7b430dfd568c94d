"""A short load on the service itself, as its owner runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import Settings
from load.measure.figures import read_report, write
from tests.conftest import ROOT
from tests.load_reports import report_of


@pytest.mark.usefixtures("seeded")
def test_a_run_repeats_the_load_of_an_earlier_one_and_is_compared_with_it(settings: Settings, tmp_path: Path) -> None:
    before = report_of("before")
    (tmp_path / "before").mkdir()
    write(tmp_path / "before" / "report.json", before)

    done = _measure(settings, "--reports", str(tmp_path), "--label", "after", "--compare", "before")

    assert done.returncode == 0, done.stderr
    assert "| total | before | after | ratio |" in done.stdout
    after = read_report(tmp_path / "after" / "report.json")
    assert after.load == before.load
    asked = {endpoint.name: endpoint.requests for endpoint in after.traffic.endpoints}
    assert {"GET /items", "GET /items/popular", "GET /items/{id}"} <= asked.keys()
    assert after.traffic.total.requests == sum(asked.values())
    assert 0 <= after.traffic.total.p50 <= after.traffic.total.p95 <= after.traffic.total.p99
    assert "/items/popular" in {route.name for route in after.inside.routes}
    assert after.inside.queries_per_request is not None
    assert after.inside.pool_wait_mean is not None
    text = (tmp_path / "after" / "report.md").read_text()
    assert text.startswith("# Load report: after, compared with before\n")
    assert "<svg" in (tmp_path / "after" / "report.svg").read_text()


def _measure(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    facts = settings.model_dump(mode="json", exclude_unset=True)
    variables = {name.upper(): fact if isinstance(fact, str) else json.dumps(fact) for name, fact in facts.items()}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "load.measure", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
