"""The servers that rendered suites start, for the tests of this repository."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

from matrix import ROOT


@contextmanager
def postgresql(**settings: Any) -> Generator[str]:  # noqa: ANN401  They are the rendered module's own.
    """A PostgreSQL; yields its URL without a database name."""
    for shared in ("ports", "local_server"):
        sys.modules[f"tests.{shared}"] = _rendered_module(shared)
    with _rendered_module("postgresql_server").postgresql_server(**settings) as url:
        yield url


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    return _rendered_module("ports").free_port()


def _rendered_module(name: str) -> Any:  # noqa: ANN401  It is the rendered module.
    spec = spec_from_file_location(name, ROOT / "template" / "tests" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
