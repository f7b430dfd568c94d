"""The rows cover what they claim, and the template renders nothing by accident."""

from pathlib import Path

import pytest

from matrix import REJECTED, ROOT, Combination, combinations_in, combinations_of_choices, name_of, rows
from rendered import copy_template, files_of, render


def test_every_pair_of_choices_stands_in_a_row(strength: int) -> None:
    covered = set().union(*(combinations_in(row, strength) for row in rows(strength)))
    assert combinations_of_choices(strength) - covered == set()


@pytest.mark.parametrize(("pair", "message"), REJECTED.items(), ids=[name_of(dict(sorted(pair))) for pair in REJECTED])
def test_a_pair_that_does_not_work_is_refused_with_its_reason(pair: Combination, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        # The default database has a rule of its own in many places.
        render(copy_template(tmp_path / "template"), tmp_path / "service", {"database": "postgresql", **dict(pair)})
    assert not (tmp_path / "service").exists()


def test_every_file_of_the_template_is_rendered_in_some_row(services: Path) -> None:
    rendered = {str(file) for service in services.iterdir() for file in files_of(service)}
    assert _template_files() == rendered


def test_every_file_that_an_answer_leaves_out_is_absent_in_some_row(services: Path) -> None:
    everywhere = set.intersection(*({str(file) for file in files_of(service)} for service in services.iterdir()))
    exclude_table = (ROOT / "copier.yml").read_text().split("# QUESTIONS")[0]
    exclude_table = exclude_table.replace("{{ project_slug }}", "my-service")
    conditional = [line.strip().lstrip("/") for line in exclude_table.splitlines() if line.strip().startswith("/")]
    assert conditional
    for pattern in conditional:
        assert not any(file == pattern or file.startswith(f"{pattern}/") for file in everywhere), pattern


def _template_files() -> set[str]:
    names = {str(file).removesuffix(".jinja") for file in files_of(ROOT / "template") if "__pycache__" not in str(file)}
    names.remove("{{ _copier_conf.answers_file }}")
    # Parts of files are not rendered by themselves; some files have the service's name.
    names = {name.replace("{{ project_slug }}", "my-service") for name in names if not name.startswith("_parts/")}
    return names | {".copier-answers.yml"}
