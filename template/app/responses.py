"""Responses whose bytes are made in one step, or a part at a time."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

NDJSON = "application/x-ndjson"

Entries = Sequence[BaseModel]

# So many entries take some tenths of a millisecond.
_PART = 200


async def json_response(
    content: object, *, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A model, or a list of them, as JSON.

    From a return annotation FastAPI validates once more what a service has just validated, and a long
    list holds every other request up meanwhile. On a busy route, and for long lists, return this, and
    name the model as ``response_model``, for the documentation.
    """
    is_long = isinstance(content, list) and len(content) > _PART
    body = await _json_in_parts(content) if is_long else _json(content)
    return Response(body, status_code, headers, "application/json")


async def ndjson_response(pages: AsyncGenerator[Entries]) -> StreamingResponse:
    """Models as lines of JSON, for data of any size: the next page is asked for when this one is sent.

    A failure of the first page is an error like any other. A later one, or the request's deadline, cuts
    the connection, so that nobody takes a part for the whole.
    """
    # Not a tuple as the default: CPython 3.11 trips over it.
    first = await anext(pages, [])
    return StreamingResponse(_lines(first, pages), media_type=NDJSON)


async def _json_in_parts(entries: list[object]) -> bytes:
    parts = []
    for start in range(0, len(entries), _PART):
        # Without the brackets of this part's own list.
        parts.append(_json(entries[start : start + _PART])[1:-1])
        await asyncio.sleep(0)
    return b"[" + b",".join(parts) + b"]"


async def _lines(first: Entries, others: AsyncGenerator[Entries]) -> AsyncGenerator[bytes]:
    yield _page(first)
    async for page in others:
        yield _page(page)


def _page(entries: Entries) -> bytes:
    return b"".join([_json(entry) + b"\n" for entry in entries])


def _json(content: object) -> bytes:
    return to_json(content, inf_nan_mode="null")
