"""What is known of the request that is being answered."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class CurrentRequest:
    """One request, from its first byte to its last."""

    request_id: str
    queries: int = 0
    """Statements sent to the database so far."""
    status: int = 0
    """0 until the response has started."""
    is_finished: bool = False
    """Whether the last byte was handed to the server."""


current_request: ContextVar[CurrentRequest | None] = ContextVar("current_request", default=None)
