"""fly.toml: what else there is agrees with the plan."""

from tests.deployment_fly import commands, deployed, fly


def test_every_machine_that_the_plan_counts_on_runs_all_the_time() -> None:
    assert fly["http_service"]["auto_stop_machines"] == "off"
    assert fly["http_service"]["auto_start_machines"] is False
    # Of all processes, as none is named.
    assert fly["restart"] == [{"policy": "always"}]


def test_a_release_replaces_machines_as_the_plan_counts() -> None:
    assert "--strategy" not in commands
    # Without it, a third of them.
    assert fly["deploy"]["strategy"] == "bluegreen" or fly["deploy"]["max_unavailable"] == 1


def test_the_proxy_sends_no_more_than_the_processes_answer() -> None:
    settings = deployed().web.settings
    limits = fly["http_service"]["concurrency"]
    assert limits["type"] == "requests"
    assert limits["soft_limit"] < limits["hard_limit"]
    assert limits["hard_limit"] <= settings.deployment.workers * settings.plan.concurrency_limit


def test_only_the_server_is_asked_for_requests_and_metrics() -> None:
    asked = [fly["http_service"], *fly["metrics"]]
    assert [section["processes"] for section in asked] == [["web"]] * 2
    assert [section["path"] for section in fly["metrics"]] == ["/metrics"]
