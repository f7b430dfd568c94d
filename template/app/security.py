"""Bearer tokens: who is calling?

``python -m app.security alice`` prints a token for trying things out.
"""

import sys
from datetime import UTC, datetime, timedelta

import jwt
from starlette.types import Scope

from app.config import Settings, load_settings

_ALGORITHM = "HS256"
_SUBJECT_LENGTH = 200


class InvalidTokenError(Exception):
    """The token is not one of ours, or its time is over."""


def issue_token(subject: str, settings: Settings, *, lifetime: timedelta = timedelta(hours=1)) -> str:
    """A signed token for a user, named by ``subject``."""
    claims = {"sub": subject, "exp": datetime.now(UTC) + lifetime}
    return jwt.encode(claims, settings.secret_key.get_secret_value(), algorithm=_ALGORITHM)


def verify_token(token: str, settings: Settings) -> str:
    """The user that a token names. Raises :class:`InvalidTokenError`."""
    try:
        claims = jwt.decode(
            token,
            settings.secret_key.get_secret_value(),
            algorithms=[_ALGORITHM],
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise InvalidTokenError("The token is not valid.") from error
    subject = claims["sub"]
    if not 0 < len(subject) <= _SUBJECT_LENGTH or "\x00" in subject:
        raise InvalidTokenError("The token names nobody that can be stored.")
    return subject


def caller_of(scope: Scope, settings: Settings) -> str | None:
    """The user whose valid token a request carries, or None."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        return verify_token(token.strip(), settings)
    except InvalidTokenError:
        return None


def _main(subject: str) -> None:
    print(issue_token(subject, load_settings()))


if __name__ == "__main__":
    _main(sys.argv[1] if len(sys.argv) > 1 else "alice")
