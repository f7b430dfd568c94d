"""The service, with routes by which tests see what its server does."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from fastapi import Request
from fastapi.responses import StreamingResponse

from app.main import app


@app.api.get("/caller")
async def caller(request: Request) -> dict[str, str | None]:
    """Whom the service takes for the caller."""
    return {"host": request.client.host if request.client else None, "scheme": request.url.scheme}


@app.api.post("/echo")
async def echo(request: Request) -> StreamingResponse:
    """The body, in the pieces in which it comes."""
    pieces = [piece async for piece in request.stream()]

    async def answer() -> AsyncGenerator[bytes]:
        for piece in pieces:
            yield piece

    return StreamingResponse(answer())


@app.api.get("/held")
async def held(directory: Path) -> str:
    """An answer that takes until there is a file ``release``. Meanwhile a file ``held`` names its process."""
    (directory / "held").write_text(str(os.getpid()))
    while not (directory / "release").exists():
        await asyncio.sleep(0.02)
    return "released"


@app.api.get("/endless")
async def endless(directory: Path) -> StreamingResponse:
    """A stream that ends when the caller leaves. Then there is a file ``left``."""

    async def answer() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"more\n"
                await asyncio.sleep(0.02)
        finally:
            (directory / "left").touch()

    return StreamingResponse(answer())
