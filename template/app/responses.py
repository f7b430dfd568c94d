"""Responses whose bytes are made in one step, or a page at a time."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic_core import to_json

NDJSON = "application/x-ndjson"

Entries = Sequence[BaseModel]


def json_response(content: object, *, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model, or a list of them, as JSON.

    From a return annotation FastAPI validates once more what a service has just validated. On a busy
    route, return this, and name the model as ``response_model``, for the documentation.
    """
    return Response(to_json(content), status_code, headers, "application/json")


async def ndjson_response(pages: AsyncGenerator[Entries]) -> StreamingResponse:
    """Models as lines of JSON, for data of any size: the next page is asked for when this one is sent.

    A failure of the first page is an error like any other. A later one, or the request's deadline, cuts
    the connection, so that nobody takes a part for the whole.
    """
    # Not a tuple as the default: CPython 3.11 trips over it.
    first = await anext(pages, [])
    return StreamingResponse(_lines(first, pages), media_type=NDJSON)


async def _lines(first: Entries, others: AsyncGenerator[Entries]) -> AsyncGenerator[bytes]:
    yield _page(first)
    async for page in others:
        yield _page(page)


def _page(entries: Entries) -> bytes:
    return b"".join([to_json(entry, inf_nan_mode="null") + b"\n" for entry in entries])
