"""Content encodings: a cached body is compressed once, and each caller gets the form it accepts."""

import asyncio
import gzip
import sys
from functools import lru_cache

import brotli

from app.caching.representation import Representation, represent

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    import zstandard as zstd

IDENTITY = "identity"

# In the order of preference: the fastest to decode first.
_ENCODINGS = ("zstd", "br", "gzip")
# In bytes. Below this a body fits into one packet as it is.
_MINIMUM_SIZE = 500
# In bytes. Compressing more than this would hold up the event loop.
_COMPRESS_IN_THREAD = 128 * 1024


async def encoded_forms(representation: Representation) -> dict[str, Representation]:
    """The representation in each encoding that makes it smaller; always holds ``identity``."""
    body = representation.body
    headers = [header for header in representation.headers if header[0] not in (b"content-length", b"etag")]
    content_type = next((value for name, value in headers if name == b"content-type"), b"")
    if len(body) < _MINIMUM_SIZE or not content_type.startswith((b"application/json", b"text/")):
        return {IDENTITY: representation}
    if len(body) > _COMPRESS_IN_THREAD:
        compressed = await asyncio.to_thread(_compressed, body)
    else:
        compressed = _compressed(body)
    forms = {IDENTITY: representation}
    for encoding, encoded in compressed.items():
        if len(encoded) < len(body):
            # A tag of its own: a shared cache must not take a 304 for one as the word for another.
            etag = f'{representation.etag[:-1]}-{encoding}"'
            encoded_headers = (*headers, (b"content-encoding", encoding.encode()), (b"etag", etag.encode()))
            forms[encoding] = represent(encoded, etag, encoded_headers)
    return forms


# Per process, and small: clients send few different headers.
@lru_cache(maxsize=256)
def accepted_encodings(accept_encoding: bytes) -> tuple[str, ...]:
    """The encodings that a caller takes, best first; ``identity`` is always the last.

    ``q=0`` excludes an encoding, and ``*`` stands for those that are not named.
    """
    weights: dict[str, bool] = {}
    for part in accept_encoding.decode("latin-1").lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = not _is_zero(parameter.strip())
    others = weights.get("*", False)
    return (*(name for name in _ENCODINGS if weights.get(name, others)), IDENTITY)


def _compressed(body: bytes) -> dict[str, bytes]:
    # Low levels on purpose: 3 kB of JSON take 10 to 20 microseconds each, and the higher levels cost
    # five times that for a tenth of the size.
    return {
        "zstd": zstd.compress(body, 3),
        "br": brotli.compress(body, quality=1),
        "gzip": gzip.compress(body, compresslevel=1, mtime=0),
    }


def _is_zero(parameter: str) -> bool:
    try:
        return parameter.startswith("q=") and float(parameter[2:]) == 0
    except ValueError:
        return False
