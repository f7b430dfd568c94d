"""The URLs that Heroku hands out, as redis-py and kombu take them."""

import pytest

from app.redis_url import client_url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("rediss://:p@ec2-1.compute-1.amazonaws.com:6380", "?ssl_cert_reqs=none"),
        ("rediss://:p@h:6380/1?protocol=3", "&ssl_cert_reqs=none"),
        ("rediss://:p@h:6380?ssl_cert_reqs=required", ""),
        ("redis://127.0.0.1:6379/0", ""),
    ],
)
def test_what_is_signed_by_itself_is_not_verified_unless_that_is_asked_for(given: str, used: str) -> None:
    assert client_url(given) == given + used
    assert client_url(given + used) == given + used
