"""What ``DATABASE_URL`` may say: what platforms hand out for libpq, in the words of asyncpg."""

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_TAKEN = {
    *("host", "port", "user", "password", "passfile", "ssl", "target_session_attrs", "krbsrvname", "gsslib"),
    "prepared_statement_cache_size",
}
# The plan sets the name and the timeouts; asyncpg does not bind channels, with or without being asked to.
_WITHOUT_EFFECT = {
    *("application_name", "fallback_application_name", "channel_binding", "connect_timeout", "tcp_user_timeout"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
}
_FROM_ENVIRONMENT = {"sslcert", "sslcrl", "sslkey", "sslnegotiation", "sslrootcert"}


def driver_url(value: str) -> str:
    """The URL for SQLAlchemy and asyncpg. Raises ``ValueError`` with the reason for one that they cannot use."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError) as error:
        raise ValueError("must read postgresql://user:password@host:5432/name") from error
    if url.drivername not in _SCHEMES:
        raise ValueError(f"must begin with postgresql://, not with {url.drivername}://")
    query = {("ssl" if name == "sslmode" else name): setting for name, setting in url.query.items()}
    for name in sorted(query.keys() - _TAKEN - _WITHOUT_EFFECT):
        raise ValueError(_refusal(name))
    if query.get("ssl", "prefer") not in _SSL_MODES:
        raise ValueError(f"must name an sslmode of {', '.join(_SSL_MODES)}")
    taken = {name: setting for name, setting in query.items() if name in _TAKEN}
    return url.set(drivername="postgresql+asyncpg", query=taken).render_as_string(hide_password=False)


def _refusal(name: str) -> str:
    if name in _FROM_ENVIRONMENT:
        return f"must not name {name}, which asyncpg reads from the environment: set PG{name.upper()} instead"
    return f"must not name {name}, which asyncpg does not know; leave it out"
