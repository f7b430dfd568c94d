"""Cursors are opaque, and only our own are taken."""

import pytest
from fastapi import HTTPException

from app.pagination import IDENTIFIER_MAX, OFFSET_MAX, decode_cursor, encode_cursor, next_offset


@pytest.mark.parametrize("identifier", [1, 42, IDENTIFIER_MAX])
def test_a_cursor_leads_back_to_its_place(identifier: int) -> None:
    assert decode_cursor(encode_cursor(identifier)) == identifier


@pytest.mark.parametrize(
    "cursor", ["", "?", "abc", "é", encode_cursor(0), encode_cursor(-1), encode_cursor(IDENTIFIER_MAX + 1), "A" * 64]
)
def test_a_cursor_that_was_never_handed_out_is_refused(cursor: str) -> None:
    with pytest.raises(HTTPException) as raised:
        decode_cursor(cursor)
    assert raised.value.status_code == 422


def test_the_last_page_has_no_next_offset() -> None:
    assert next_offset([1, 2, 3], limit=2, offset=0) == 2
    assert next_offset([1, 2], limit=2, offset=0) is None


def test_no_offset_past_the_maximum_is_offered() -> None:
    assert next_offset([1, 2, 3], limit=2, offset=OFFSET_MAX) is None
