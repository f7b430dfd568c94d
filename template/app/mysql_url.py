"""What ``DATABASE_URL`` may say: what platforms hand out, in the words of SQLAlchemy and asyncmy."""

import ssl
from collections.abc import Mapping

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_SCHEMES = {"mysql", "mariadb", "mysql+asyncmy", "mariadb+asyncmy"}
_CHARSET = "utf8mb4"

# https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html
_SSL_MODES = ("DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_TAKEN = {"unix_socket", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_check_hostname"}
# The plan sets the timeouts, and the pool connects again; the rest is the charset that is used anyway.
_WITHOUT_EFFECT = {"charset", "collation", "connect-timeout", "connect_timeout", "reconnect"}


def driver_url(value: str) -> str:
    """The URL for SQLAlchemy and asyncmy. Raises ``ValueError`` with the reason for one that they cannot use."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError) as error:
        raise ValueError("must read mysql://user:password@host:3306/name") from error
    if url.drivername not in _SCHEMES:
        raise ValueError(f"must begin with mysql:// or mariadb://, not with {url.drivername}://")
    if not url.database:
        raise ValueError("must name a database, as mysql://user:password@host:3306/name does")
    given = {_spelling(name): str(setting) for name, setting in url.query.items()}
    if given.get("charset", _CHARSET).lower() != _CHARSET:
        raise ValueError(f"must name no charset but {_CHARSET}")
    mode = given.pop("ssl_mode", None)
    for name in sorted(given.keys() - _TAKEN - _WITHOUT_EFFECT):
        raise ValueError(f"must not name {name}, which asyncmy does not know; leave it out")
    taken = {name: setting for name, setting in given.items() if name in _TAKEN}
    query = {"charset": _CHARSET, **taken, **_encryption(mode, taken)}
    return _with(url, query)


def _spelling(name: str) -> str:
    # As options of a command line, of a URI of MySQL, and of libraries for it.
    spelled = name.lower().replace("-", "_")
    return {"sslmode": "ssl_mode", "socket": "unix_socket"}.get(spelled, spelled)


def _encryption(mode: str | None, taken: Mapping[str, str]) -> dict[str, str]:
    if mode is None:
        return {}
    mode = mode.upper()
    if mode not in _SSL_MODES:
        raise ValueError(f"must name an ssl-mode of {', '.join(_SSL_MODES)}")
    if mode == "DISABLED":
        return {}
    if mode == "REQUIRED":
        # Encrypted, whoever is at the other end: without an authority there is nothing to verify.
        return {"ssl_check_hostname": "false"}
    authorities = {} if {"ssl_ca", "ssl_capath"} & taken.keys() else _system_authorities()
    return {**authorities, "ssl_check_hostname": "true" if mode == "VERIFY_IDENTITY" else "false"}


def _system_authorities() -> dict[str, str]:
    paths = ssl.get_default_verify_paths()
    found = {"ssl_ca": paths.cafile, "ssl_capath": paths.capath}
    authorities = {name: path for name, path in found.items() if path is not None}
    if not authorities:
        raise ValueError("must name an ssl_ca: this machine has no certificates of authorities to verify with")
    return authorities


def _with(url: URL, query: Mapping[str, str]) -> str:
    return url.set(drivername="mysql+asyncmy", query=query).render_as_string(hide_password=False)
