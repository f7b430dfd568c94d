"""A service for a managed database knows the limit of its plan, and where it is documented."""

from pathlib import Path

from paceline.database_plans import find_plan
from rendered import copy_template, render


def test_the_service_plans_with_the_limit_and_tells_its_source(tmp_path: Path) -> None:
    plan = find_plan("azure-postgresql-b1ms")
    answers = {"database": "postgresql", "database_plan": plan.name}
    service = render(copy_template(tmp_path / "template"), tmp_path / "service", answers)
    settings = (service / "app" / "config.py").read_text()
    assert "max_connections: int = 50\n    reserved_connections: int = 17\n" in settings
    readme = (service / "README.md").read_text()
    assert f"`{plan.name}`, which accepts 50 connections\n([documentation]({plan.source})" in readme
    assert f"read on {plan.read_on})" in readme
    assert "\n\n\n" not in readme
