"""The response cache directly in front of the routes: no request ids, no log lines, no metrics of requests."""

from app.caching.response_cache import ResponseCache
from app.main import app as service
from benchmarks.variants.layers import layer_of

app = layer_of(service, ResponseCache)
