"""Which of the notes on versions a team is shown."""

import pytest

from paceline.upgrading import notes_between

TEXT = """\
# Upgrading

## Unreleased

Soon.

## [v1.10.0] - 2026-12-01

Tenth.

## 1.9.0

Ninth.

## About this file

Nothing.

## v1.0.0

First.
"""


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("v1.0.0", "v1.10.0", ["Tenth.", "Ninth."]),
        ("v1.9.0", "v1.10.0", ["Tenth."]),
        ("v1.9.0-3-gabc1234", "v1.10.0", ["Tenth."]),
        ("v1.0.0", "v1.9.0-3-gabc1234", ["Ninth."]),
        ("v1.10.0", "v1.10.0", []),
        ("abc1234", "v1.10.0", []),
    ],
)
def test_the_sections_after_the_one_version_and_up_to_the_other_are_shown(
    before: str, after: str, shown: list[str]
) -> None:
    notes = notes_between(TEXT, before, after)
    assert [line for line in notes.splitlines() if line and not line.startswith("##")] == shown


@pytest.mark.parametrize("text", [None, "", "# Upgrading\n", "## Unreleased\n\nThe first version.\n"])
def test_without_a_section_on_a_version_there_are_none(text: str | None) -> None:
    assert notes_between(text, "v1.0.0", "v2.0.0") == ""
