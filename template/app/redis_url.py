"""What ``REDIS_URL`` and the like may say: what Heroku's Key-Value Store hands out, as its clients need it."""

from urllib.parse import parse_qsl, urlencode, urlsplit

_VERIFICATION = "ssl_cert_reqs"


def client_url(value: str) -> str:
    """The URL for redis-py and kombu.

    The store speaks TLS with a certificate that it has signed itself, so there is nothing to verify, and a
    client has to be told so: https://devcenter.heroku.com/articles/connecting-heroku-redis
    """
    url = urlsplit(value)
    given = dict(parse_qsl(url.query))
    if url.scheme != "rediss" or _VERIFICATION in given:
        return value
    return url._replace(query=urlencode({**given, _VERIFICATION: "none"})).geturl()
