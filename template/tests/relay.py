"""A way to a server that tests can cut, freeze and mend, without touching the server."""

import asyncio
from types import TracebackType
from typing import Self

_CHUNK = 64 * 1024


class Relay:
    """Passes bytes between a port of its own on loopback and a server."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.cut()

    async def open(self) -> None:
        """Take connections, on the same port each time."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections and refuse new ones, as a server does that has died."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._flows.set()
        if self._server is not None:
            await self._server.wait_closed()

    def freeze(self) -> None:
        """Keep connections and take new ones, and pass nothing on, as a server does that hangs."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on what has come since, and go on."""
        self._flows.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        self._writers.add(server_writer)
        # The connection ends when either side ends it.
        passing = [
            asyncio.create_task(self._pass(reader, server_writer)),
            asyncio.create_task(self._pass(server_reader, writer)),
        ]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        for end in (writer, server_writer):
            end.transport.abort()
            self._writers.discard(end)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._flows.wait()
            writer.write(chunk)
            await writer.drain()
