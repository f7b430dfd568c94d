"""Conditional requests (RFC 9110, section 13): is the caller's copy still the current one?"""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import blake2b

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(body: bytes) -> str:
    """A weak validator of a body, the same in each process."""
    return f'W/"{blake2b(body, digest_size=12).hexdigest()}"'


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it; whole seconds."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def is_not_modified(
    *, etag: str, if_none_match: str | None, last_modified: datetime | None = None, if_modified_since: str | None = None
) -> bool:
    """Whether a GET may be answered 304. ``If-None-Match`` goes before ``If-Modified-Since``."""
    if if_none_match is not None:
        return _names(if_none_match, etag)
    if if_modified_since is None or last_modified is None:
        return False
    try:
        since = parsedate_to_datetime(if_modified_since)
    except (ValueError, OverflowError):
        return False
    if since.tzinfo is None:
        return False
    return last_modified.replace(microsecond=0) <= since


def version_tag(identifier: int, version: int) -> str:
    """A strong validator of a row: its identifier and how often it was changed."""
    return f'"{identifier}-{version}"'


def expected_versions(if_match: str | None, identifier: int) -> set[int] | None:
    """The versions of a row that ``If-Match`` allows a write to change; None when it allows any.

    The comparison is the strong one: a weak validator never matches.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tags = (re.fullmatch(r'"(\d{1,18})-(\d{1,18})"', tag.strip()) for tag in if_match.split(","))
    return {int(tag[2]) for tag in tags if tag is not None and int(tag[1]) == identifier}


def _names(if_none_match: str, etag: str) -> bool:
    if if_none_match == etag or if_none_match.strip() == "*":
        return True
    # The weak comparison: what is between the quotes decides.
    return etag.removeprefix("W/") in _ENTITY_TAG.findall(if_none_match)
