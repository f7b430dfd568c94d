"""A finished response: captured from the application, made conditional, and sent again."""

from collections.abc import Iterable
from typing import NamedTuple

from starlette.types import Message, Send

from app.caching.policy import CachePolicy
from app.caching.validators import etag_of, is_not_modified

Header = tuple[bytes, bytes]

# A 304 repeats these of the 200 (RFC 9110, section 15.4.5), and no header about the body.
_KEPT_WITHOUT_BODY = {b"cache-control", b"etag", b"expires", b"last-modified", b"vary"}
_REPLACED = {b"content-length", b"etag", b"vary"}
# A response that sets one of these speaks to one caller, or for itself.
_NOT_TO_BE_KEPT = {b"set-cookie", b"cache-control", b"content-encoding"}


class Representation(NamedTuple):
    """The final bytes of a 200, and the headers of the 200 and of the 304 that stands for it."""

    body: bytes
    etag: str
    headers: tuple[Header, ...]
    not_modified_headers: tuple[Header, ...]


def represent(body: bytes, etag: str, headers: Iterable[Header]) -> Representation:
    """A representation from its body and the headers that belong to it, without Content-Length."""
    headers = tuple(headers)
    kept = tuple(header for header in headers if header[0] in _KEPT_WITHOUT_BODY)
    return Representation(body, etag, (*headers, (b"content-length", str(len(body)).encode())), kept)


class Capture:
    """Stands in for ``send``: holds a cacheable response back, lets any other pass as it comes.

    Only a 200 of at most ``body_limit`` bytes is held back, and only without ``Set-Cookie``, without a
    ``Cache-Control`` or ``Content-Encoding`` of its own, and when it varies on nothing undeclared.
    """

    def __init__(self, send: Send, policy: CachePolicy, *, body_limit: int) -> None:
        self._send = send
        self._policy = policy
        self._body_limit = body_limit
        self._start: Message | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_complete = False
        self._is_passing = False

    async def __call__(self, message: Message) -> None:
        if self._is_passing:
            await self._send(message)
        elif message["type"] == "http.response.start":
            self._start = message
            if message["status"] != 200 or not self._may_be_kept(message["headers"]):
                await self._let_pass()
        elif message["type"] == "http.response.body":
            self._chunks.append(message.get("body", b""))
            self._size += len(self._chunks[-1])
            self._is_complete = not message.get("more_body", False)
            if self._size > self._body_limit:
                await self._let_pass()

    def representation(self) -> Representation | None:
        """What was held back, or None when the response has passed or was cut short."""
        if self._start is None or self._is_passing or not self._is_complete:
            return None
        body = b"".join(self._chunks)
        etag = etag_of(body)
        kept = [(name, value) for name, value in self._start["headers"] if name.lower() not in _REPLACED]
        declared = (
            (b"cache-control", self._policy.cache_control.encode()),
            (b"etag", etag.encode()),
            (b"vary", ", ".join(self._policy.vary_on).encode()),
        )
        return represent(body, etag, (*kept, *declared))

    def _may_be_kept(self, headers: Iterable[Header]) -> bool:
        declared = {name.lower() for name in self._policy.vary_on}
        for name, value in headers:
            if name.lower() in _NOT_TO_BE_KEPT:
                return False
            if name.lower() == b"vary":
                varies_on = {part.strip().lower() for part in value.decode("latin-1").split(",")}
                if not varies_on <= declared:
                    return False
        return True

    async def _let_pass(self) -> None:
        self._is_passing = True
        if self._start is not None:
            await self._send(self._start)
        if self._chunks:
            body = b"".join(self._chunks)
            self._chunks.clear()
            await self._send({"type": "http.response.body", "body": body, "more_body": not self._is_complete})


def without_body(send: Send) -> Send:
    """For HEAD: the answer of a GET, whatever it is, and nothing after its headers."""

    async def send_headers(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_headers


def response_of(
    representation: Representation, *, if_none_match: bytes | None, age: float | None = None
) -> tuple[Message, Message]:
    """The two messages of a 200, or of a 304 when the caller has this representation already.

    ``age`` is how long the representation has been kept, in seconds.
    """
    status, headers, body = 200, representation.headers, representation.body
    if if_none_match is not None and is_not_modified(
        etag=representation.etag, if_none_match=if_none_match.decode("latin-1")
    ):
        status, headers, body = 304, representation.not_modified_headers, b""
    ages = () if age is None else ((b"age", b"%d" % max(0, age)),)
    # A list of this response's own: middleware outside adds to it.
    return (
        {"type": "http.response.start", "status": status, "headers": [*headers, *ages]},
        {"type": "http.response.body", "body": body},
    )
