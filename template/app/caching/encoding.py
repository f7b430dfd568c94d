"""Content encodings: a cached body is compressed once, and each caller gets the form it accepts."""

import gzip
import sys
from functools import lru_cache

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    import zstandard as zstd

IDENTITY = "identity"

# In the order of preference: the fastest to decode first.
_ENCODINGS = ("zstd", "br", "gzip")
# Below this a body fits into one packet as it is.
_MINIMUM_SIZE = 500


def encodings_of(body: bytes, content_type: str) -> dict[str, bytes]:
    """The body in each encoding that makes it smaller; always holds ``identity``.

    Low levels on purpose: 3 kB of JSON take 10 to 20 microseconds each, and the higher levels
    cost five times that for a tenth of the size.
    """
    forms = {IDENTITY: body}
    if len(body) < _MINIMUM_SIZE or not content_type.startswith(("application/json", "text/")):
        return forms
    forms["zstd"] = zstd.compress(body, 3)
    forms["br"] = brotli.compress(body, quality=1)
    forms["gzip"] = gzip.compress(body, compresslevel=1, mtime=0)
    return forms


# Per process, and small: clients send few different headers.
@lru_cache(maxsize=256)
def accepted_encodings(accept_encoding: str) -> tuple[str, ...]:
    """The encodings that a caller takes, best first; ``identity`` is always the last.

    ``q=0`` excludes an encoding, and ``*`` stands for those that are not named.
    """
    weights: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = not _is_zero(parameter.strip())
    others = weights.get("*", False)
    return (*(name for name in _ENCODINGS if weights.get(name, others)), IDENTITY)


def _is_zero(parameter: str) -> bool:
    try:
        return parameter.startswith("q=") and float(parameter[2:]) == 0
    except ValueError:
        return False
