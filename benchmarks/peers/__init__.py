"""Projects of others that are installed, rendered and started on the spot, each in an environment of its own."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.laboratory import Laboratory
from benchmarks.peers import fastapi_cache2, fastapi_spawn, fastapi_template
from benchmarks.peers.peer import Peer

PEERS: Mapping[str, Callable[[Laboratory, Path], Peer]] = {
    fastapi_template.NAME: fastapi_template.prepare,
    fastapi_spawn.NAME: fastapi_spawn.prepare,
    fastapi_cache2.NAME: fastapi_cache2.prepare,
}
"""By name: what prepares it in an empty directory. Raises ``RuntimeError`` when that cannot be done."""

__all__ = ["PEERS", "Peer"]
