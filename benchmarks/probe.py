"""One request at a time, to see what a server answers."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass

_TIMEOUT_SECONDS = 30
# The server adds these itself, at each answer.
_OF_THE_SERVER = ("date", "server")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status, headers in lower case without those that every answer has, and the body in latin-1."""

    status: int
    headers: list[tuple[str, str]]
    body: str

    def header(self, name: str) -> str:
        """The value of a header. Raises ``RuntimeError`` when it is not there."""
        value = dict(self.headers).get(name)
        if value is None:
            raise RuntimeError(f"an answer {self.status} came without {name}")
        return value


def answer_of(
    port: int, path: str, headers: Mapping[str, str], *, method: str = "GET", body: str | None = None
) -> Answer:
    """What a server on loopback answers. Raises ``OSError`` when it does not within 30 s."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        # http.client would ask for an encoding by itself.
        connection.request(method, path, body=body, headers={"Accept-Encoding": "identity", **headers})
        response = connection.getresponse()
        kept = [(name.lower(), value) for name, value in response.getheaders() if name.lower() not in _OF_THE_SERVER]
        return Answer(status=response.status, headers=kept, body=response.read().decode("latin-1"))
    finally:
        connection.close()
