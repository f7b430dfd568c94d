"""Responses whose bytes are made in one step."""

from collections.abc import Mapping

from fastapi import Response
from pydantic_core import to_json


def json_response(content: object, *, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model, or a list of them, as JSON.

    From a return annotation FastAPI validates once more what a service has just validated. On a busy
    route, return this, and name the model as ``response_model``, for the documentation.
    """
    return Response(to_json(content, inf_nan_mode="null"), status_code, headers, "application/json")
