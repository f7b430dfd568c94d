"""The load report: its arithmetic, what it says, and that it leaves no program behind."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from load.measure.figures import Failure, Inside, Route, read_report, write
from load.measure.metrics import difference, inside, parse, quantile
from load.measure.plots import draw
from load.measure.programs import last_line, running
from load.measure.publishing import publish
from load.measure.tables import markdown, summary
from tests.load_reports import report_of

START = """
# TYPE http_requests_total counter
http_requests_total{method="GET",route="/things",status="200"} 20
# TYPE cache_requests_total counter
cache_requests_total{route="/things",result="hit"} 10
cache_requests_total{route="/things",result="miss"} 10
# TYPE database_queries_per_request histogram
database_queries_per_request_sum{route="/things"} 10
# TYPE database_connections_in_use gauge
database_connections_in_use 3
"""
END = """
# TYPE http_requests_total counter
http_requests_total{method="GET",route="/things",status="200"} 80
http_requests_total{method="GET",route="/things",status="304"} 40
http_requests_total{method="GET",route="/others",status="200"} 50
http_requests_total{method="GET",route="/metrics",status="200"} 1
# TYPE cache_requests_total counter
cache_requests_total{route="/things",result="hit"} 80
cache_requests_total{route="/things",result="stale"} 20
cache_requests_total{route="/things",result="miss"} 20
# TYPE database_queries_per_request histogram
database_queries_per_request_sum{route="/things"} 60
database_queries_per_request_sum{route="/others"} 100
# TYPE database_pool_wait_seconds histogram
database_pool_wait_seconds_bucket{le="0.001"} 0
database_pool_wait_seconds_bucket{le="0.01"} 90
database_pool_wait_seconds_bucket{le="0.03"} 100
database_pool_wait_seconds_bucket{le="+Inf"} 100
database_pool_wait_seconds_count 100
database_pool_wait_seconds_sum 0.5
# TYPE database_connections_in_use gauge
database_connections_in_use 2
"""


@pytest.mark.parametrize(("share", "value"), [(0.25, 1), (0.5, 2), (0.7, 3), (0.9, 4)])
def test_a_quantile_lies_in_its_bucket_as_if_values_were_spread_evenly(share: float, value: float) -> None:
    assert quantile(share, {2: 50, 4: 90, float("inf"): 100}) == pytest.approx(value)


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile(0.99, {1: 10, 5: 90, float("inf"): 100}) == 5


@pytest.mark.parametrize("buckets", [{}, {1.0: 0.0, float("inf"): 0.0}])
def test_there_is_no_quantile_of_nothing(buckets: dict[float, float]) -> None:
    assert quantile(0.95, buckets) is None


def test_only_what_came_between_two_looks_is_counted() -> None:
    counted = inside(difference(parse(START), parse(END)))
    assert counted.cache_hit_rate == 90 / 100
    assert counted.queries_per_request == (50 + 100) / (100 + 50)
    assert counted.routes == [
        Route(name="/others", requests=50, queries_per_request=2, cache_hit_rate=None),
        Route(name="/things", requests=100, queries_per_request=0.5, cache_hit_rate=0.9),
    ]
    assert counted.pool_wait_mean == pytest.approx(5)
    assert counted.pool_wait_p95 == pytest.approx(20)


def test_what_the_service_does_not_count_is_left_out() -> None:
    assert inside(difference(parse(START), parse(START))) == Inside(
        routes=[], queries_per_request=None, cache_hit_rate=None, pool_wait_mean=None, pool_wait_p95=None
    )
    text = markdown(report_of("one", cache_hit_rate=None), None, plot="plot.svg")
    assert "cache" not in text
    assert "| /things | 100 | 1.50 |\n" in text


def test_a_run_beside_an_earlier_one_says_how_many_times_what_it_was() -> None:
    before, after = report_of("before"), report_of("after", p95=5, cache_hit_rate=None)
    table = summary(after, before).splitlines()
    assert table[0] == "| total | before | after | ratio |"
    assert "| p95 (ms) | 20 | 5 | x 0.25 |" in table
    assert "| failures | 0 | 0 | - |" in table
    assert "| cache hit rate (%) | 50 | - | - |" in table
    assert "20 → 5 (x 0.25)" in markdown(after, before, plot="plot.svg")


def test_a_report_says_what_makes_its_figures_doubtful() -> None:
    before, after = report_of("before"), report_of("after")
    assert "**" not in markdown(after, before, plot="plot.svg")
    after = replace(
        after,
        machine="4 cores",
        plan=after.plan | {"pool_size": 8},
        traffic=replace(after.traffic, is_short_of_cpu=True, failures=[Failure(endpoint="a", error="b|c\nd", count=7)]),
    )
    text = markdown(after, before, plot="plot.svg")
    assert "before was measured on 2 cores" in text
    assert "pool_size 4 → 8" in text
    assert "short of CPU" in text
    assert "| a | b\\|c d | 7 |" in text


@pytest.mark.parametrize("labels", [["one"], ["before", "after"]])
def test_the_picture_is_an_svg(labels: list[str], tmp_path: Path) -> None:
    draw([report_of(label) for label in labels], tmp_path / "plot.svg")
    assert ElementTree.parse(tmp_path / "plot.svg").getroot().tag.endswith("svg")


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "report.json", report_of("before"))
    assert read_report(tmp_path / "report.json") == report_of("before")


def test_without_an_earlier_run_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="measure with --label before first"):
        read_report(tmp_path / "before" / "report.json")


def test_a_run_with_failed_requests_is_reported_and_ends_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = report_of("one")
    failure = Failure(endpoint="GET /things", error="status 500", count=7)
    report = replace(report, traffic=replace(report.traffic, failures=[failure]))
    with pytest.raises(SystemExit, match="7 failures"):
        publish(report, None, tmp_path)
    assert "| failures | 7 |" in capsys.readouterr().out
    assert "| GET /things | status 500 | 7 |" in (tmp_path / "report.md").read_text()
    assert read_report(tmp_path / "report.json") == report


def test_a_program_is_asked_to_stop_also_when_the_block_is_interrupted(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def run_and_interrupt() -> None:
        program = _program(on_stop="lambda *_: sys.exit('stopping')")
        with running("-c", program, environment=os.environ, log=log, stop_seconds=20):
            _wait_until_it_speaks(log)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_and_interrupt()
    assert last_line(log) == "stopping"


def test_a_program_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    program = _program(on_stop="signal.SIG_IGN")
    with running("-c", program, environment=os.environ, log=tmp_path / "log", stop_seconds=0.1) as process:
        _wait_until_it_speaks(tmp_path / "log")
    assert process.returncode == -signal.SIGKILL


def _program(*, on_stop: str) -> str:
    return f"""
import signal, sys
signal.signal(signal.SIGTERM, {on_stop})
print("running", flush=True)
while True:
    signal.pause()
"""


def _wait_until_it_speaks(log: Path) -> None:
    deadline = time.monotonic() + 30
    while log.read_text() != "running\n":
        assert time.monotonic() < deadline
        time.sleep(0.02)
