"""A cached response as bytes, for a store outside of this process."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from app.caching.representation import Header, Representation
from app.caching.store import Entry


def pack(entry: Entry) -> bytes:
    """The entry as bytes, which :func:`unpack` reads."""
    # One line of JSON, then the bodies one after the other: no pickle, and nothing to escape.
    forms = [
        {
            "encoding": encoding,
            "etag": form.etag,
            "length": len(form.body),
            "headers": _as_text(form.headers),
            "not_modified_headers": _as_text(form.not_modified_headers),
        }
        for encoding, form in entry.forms.items()
    ]
    times = [entry.stored_at, entry.fresh_until, entry.stale_until]
    head = json.dumps({"versions": entry.versions, "times": times, "forms": forms}).encode()
    return b"\n".join((head, b"".join(form.body for form in entry.forms.values())))


def unpack(packed: bytes) -> Entry | None:
    """The entry; None for what another version of the service has packed."""
    line, _, bodies = packed.partition(b"\n")
    try:
        head = _read_head(line)
    except (ValueError, KeyError, TypeError):
        return None
    forms = {
        form.encoding: Representation(bodies[form.start : form.end], form.etag, form.headers, form.not_modified_headers)
        for form in head.forms
    }
    return Entry(forms, head.versions, *head.times)


class _Form(NamedTuple):
    encoding: str
    etag: str
    start: int
    end: int
    headers: tuple[Header, ...]
    not_modified_headers: tuple[Header, ...]


class _Head(NamedTuple):
    versions: tuple[str, ...]
    times: tuple[float, float, float]
    forms: tuple[_Form, ...]


# The entries that most requests ask for are parsed once; a head has about 1 kB.
@lru_cache(maxsize=1024)
def _read_head(line: bytes) -> _Head:
    head = json.loads(line)
    stored_at, fresh_until, stale_until = head["times"]
    forms: list[_Form] = []
    start = 0
    for form in head["forms"]:
        end = start + form["length"]
        headers, kept = _as_bytes(form["headers"]), _as_bytes(form["not_modified_headers"])
        forms.append(_Form(form["encoding"], form["etag"], start, end, headers, kept))
        start = end
    return _Head(tuple(head["versions"]), (stored_at, fresh_until, stale_until), tuple(forms))


def _as_text(headers: Sequence[Header]) -> list[list[str]]:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def _as_bytes(headers: list[list[str]]) -> tuple[Header, ...]:
    return tuple([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])
