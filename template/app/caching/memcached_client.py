"""The commands of memcached's text protocol that the cache needs, over a bounded pool of connections.

https://github.com/memcached/memcached/blob/master/doc/protocol.txt
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class MemcachedError(Exception):
    """The server has refused a command, or said what the protocol does not know."""


class Value(NamedTuple):
    """A value, and the number of its last change, by which :meth:`MemcachedClient.cas` knows it."""

    data: bytes
    unique: int


class MemcachedClient:
    """Opens up to ``max_connections`` when they are needed. Waits without a bound: callers set one.

    A connection whose command fails or is cancelled is closed, so that its answer reaches nobody else.
    Keys have up to 250 bytes, without spaces and control characters. Expiry is in seconds. Every
    command may raise :class:`MemcachedError` and ``OSError``.
    """

    def __init__(self, host: str, port: int, *, max_connections: int) -> None:
        self._address = (host, port)
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: list[tuple[StreamReader, StreamWriter]] = []

    async def get(self, keys: Sequence[str]) -> dict[str, Value]:
        """The values of those keys that the server has."""
        return await self._command(f"gets {' '.join(keys)}\r\n".encode(), _read_values)

    async def set(self, values: Mapping[str, bytes], *, expiry: int) -> bool:
        """Store the values; whether the server has taken all of them."""
        return all(await self._store("set", values, expiry=expiry))

    async def add(self, values: Mapping[str, bytes], *, expiry: int) -> bool:
        """Store those values whose keys the server does not have; whether these are all of them."""
        return all(await self._store("add", values, expiry=expiry))

    async def cas(self, key: str, data: bytes, *, unique: int, expiry: int) -> bool:
        """Store a value unless it has changed; whether it has not. A negative expiry deletes."""
        return all(await self._store("cas", {key: data}, expiry=expiry, unique=f" {unique}"))

    async def version(self) -> str:
        """The version of the server."""
        line = await self._command(b"version\r\n", _read_line)
        if not line.startswith(b"VERSION "):
            raise MemcachedError(f"Not a version: {line!r}.")
        return line.removeprefix(b"VERSION ").decode()

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def _store(self, verb: str, values: Mapping[str, bytes], *, expiry: int, unique: str = "") -> list[bool]:
        # All in one write: the server answers them one after the other.
        commands = b"".join(
            b"%b\r\n%b\r\n" % (f"{verb} {key} 0 {expiry} {len(data)}{unique}".encode(), data)
            for key, data in values.items()
        )

        async def read(reader: StreamReader) -> list[bool]:
            return [_is_stored(await _read_line(reader)) for _ in values]

        return await self._command(commands, read)

    async def _command(self, command: bytes, read: Callable[[StreamReader], Awaitable[T]]) -> T:
        async with self._slots:
            while self._idle:
                reader, writer = self._idle.pop()
                try:
                    return await self._talk(reader, writer, command, read)
                except ConnectionError:
                    # The server may have closed it while it lay idle, and the others with it.
                    continue
            reader, writer = await asyncio.open_connection(*self._address)
            return await self._talk(reader, writer, command, read)

    async def _talk(
        self, reader: StreamReader, writer: StreamWriter, command: bytes, read: Callable[[StreamReader], Awaitable[T]]
    ) -> T:
        try:
            writer.write(command)
            answer = await read(reader)
        except BaseException:
            # The rest of its answer may still come.
            writer.transport.abort()
            raise
        self._idle.append((reader, writer))
        return answer


async def _read_values(reader: StreamReader) -> dict[str, Value]:
    values: dict[str, Value] = {}
    while (line := await _read_line(reader)) != b"END":
        match line.split():
            case [b"VALUE", key, _, length, unique]:
                data = await _read_exactly(reader, int(length) + len(b"\r\n"))
                values[key.decode()] = Value(data[:-2], int(unique))
            case _:
                raise MemcachedError(f"Not a value: {line!r}.")
    return values


def _is_stored(line: bytes) -> bool:
    if line == b"STORED":
        return True
    # An object too large, or no memory for it: the server goes on, and so does the connection.
    if line in (b"NOT_STORED", b"EXISTS", b"NOT_FOUND") or line.startswith(b"SERVER_ERROR "):
        return False
    raise MemcachedError(f"Refused: {line!r}.")


async def _read_line(reader: StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2]
    except (EOFError, asyncio.LimitOverrunError) as error:
        raise ConnectionResetError("The server ended its answer in the middle of a line.") from error


async def _read_exactly(reader: StreamReader, length: int) -> bytes:
    try:
        return await reader.readexactly(length)
    except EOFError as error:
        raise ConnectionResetError("The server ended its answer in the middle of a value.") from error
