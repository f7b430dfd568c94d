"""Conditional requests, by the rules of RFC 9110."""

from datetime import UTC, datetime

import pytest

from app.caching.validators import etag_of, expected_versions, http_date, is_not_modified, version_tag

CHANGED = datetime(2026, 11, 21, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("header", ['"7-1"', 'W/"7-1"', '"1", "7-1"', "*", ' "7-1" '])
def test_a_copy_that_is_current_is_not_sent_again(header: str) -> None:
    assert is_not_modified(etag='"7-1"', if_none_match=header)


@pytest.mark.parametrize("header", ['"7-2"', 'W/"7-2", "8-1"', "7-1", ""])
def test_a_copy_of_another_version_is_replaced(header: str) -> None:
    assert not is_not_modified(etag='"7-1"', if_none_match=header)


def test_the_etag_goes_before_the_date() -> None:
    date = http_date(CHANGED)
    assert not is_not_modified(etag='"7-2"', if_none_match='"7-1"', last_modified=CHANGED, if_modified_since=date)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("Sat, 21 Nov 2026 12:00:00 GMT", True),
        ("Sat, 21 Nov 2026 12:00:01 GMT", True),
        ("Sat, 21 Nov 2026 11:59:59 GMT", False),
        ("yesterday", False),
        ("", False),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", False),
    ],
)
def test_a_date_is_compared_by_the_second(since: str, expected: bool) -> None:
    assert is_not_modified(etag='"x"', if_none_match=None, last_modified=CHANGED, if_modified_since=since) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("*", None),
        (version_tag(7, 3), {3}),
        ('"7-3", "7-4"', {3, 4}),
        ('W/"7-3"', set()),
        ('"8-3"', set()),
        ("nonsense", set()),
    ],
)
def test_a_write_is_allowed_for_the_versions_that_are_named(header: str | None, expected: set[int] | None) -> None:
    assert expected_versions(header, 7) == expected


def test_a_body_has_the_same_etag_in_every_process() -> None:
    assert etag_of(b"body") == 'W/"1015b49d8b5ffd7a42652e3a"'
