"""The service as it is, with the routes of the benchmarks."""

from benchmarks.variants.additions import add_behind_the_others

add_behind_the_others()

from app.main import app  # noqa: E402

__all__ = ["app"]
