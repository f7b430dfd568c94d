"""The routes alone, with those of the benchmarks: nothing stands in front of them."""

from benchmarks.variants.with_additions import app as service

app = service.api
