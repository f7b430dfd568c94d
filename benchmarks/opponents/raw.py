"""A bare ASGI application: sends bytes that were recorded from the service, headers included."""

import json
import os
from pathlib import Path
from typing import Any

from starlette.types import Message, Receive, Scope, Send


def _messages(recorded: dict[str, Any]) -> tuple[Message, Message]:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in recorded["headers"]]
    start = {"type": "http.response.start", "status": recorded["status"], "headers": headers}
    return start, {"type": "http.response.body", "body": recorded["body"].encode("latin-1")}


_RECORDED = {
    path: _messages(recorded) for path, recorded in json.loads(Path(os.environ["RECORDED"]).read_text()).items()
}
_ABSENT = _messages({"status": 404, "headers": [["content-length", "0"]], "body": ""})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a path with what was recorded for it."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    start, body = _RECORDED.get(scope["path"], _ABSENT)
    # A copy, because the server may change it.
    await send({**start})
    await send(body)
