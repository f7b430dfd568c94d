"""The URLs that platforms hand out, as the driver takes them."""

import pytest

from app.config import Settings, load_settings
from app.database import open_database
from app.mysql_url import driver_url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        # As Railway, JawsDB, Aiven and DigitalOcean, and Cloud SQL write them.
        ("mysql://root:p@mysql.railway.internal:3306/railway", "root:p@mysql.railway.internal:3306/railway"),
        ("mysql://u:p@h.rds.amazonaws.com:3306/d?reconnect=true", "u:p@h.rds.amazonaws.com:3306/d"),
        (
            "mysql://avnadmin:p%40ss%2F@m-1.aivencloud.com:12691/defaultdb?ssl-mode=REQUIRED",
            "avnadmin:p%40ss%2F@m-1.aivencloud.com:12691/defaultdb?ssl_check_hostname=false",
        ),
        ("mysql://u:p@/d?unix_socket=/cloudsql/a:b:c", "u:p@/d?unix_socket=%2Fcloudsql%2Fa%3Ab%3Ac"),
        ("mariadb://u:p@h/d?charset=UTF8MB4&connect_timeout=10", "u:p@h/d"),
        ("mysql+asyncmy://u:p@[::1]/d?ssl-mode=disabled", "u:p@[::1]/d"),
        (
            "mysql://u:p@h/d?ssl-mode=verify_identity&ssl-ca=/etc/ca.pem",
            "u:p@h/d?ssl_ca=%2Fetc%2Fca.pem&ssl_check_hostname=true",
        ),
        ("mysql://u:p@h/d?ssl-mode=VERIFY_CA&ssl-ca=ca.pem", "u:p@h/d?ssl_ca=ca.pem&ssl_check_hostname=false"),
    ],
)
def test_the_urls_that_platforms_hand_out_work_with_asyncmy(given: str, used: str) -> None:
    address, _, query = used.partition("?")
    expected = f"mysql+asyncmy://{address}?charset=utf8mb4" + (f"&{query}" if query else "")
    assert Settings(database_url=given).database_url == expected
    assert driver_url(expected) == expected


def test_an_authority_is_looked_up_where_none_is_named() -> None:
    assert "ssl_ca" in driver_url("mysql://u:p@h/d?ssl-mode=VERIFY_IDENTITY")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must read mysql://"),
        ("host/name", "must read mysql://"),
        ("oracle://u:p@h/d", "not with oracle://"),
        ("mysql+pymysql://u:p@h/d", r"not with mysql\+pymysql://"),
        ("mysql://u:p@h", "must name a database"),
        ("mysql://u:p@h/d?charset=latin1", "no charset but utf8mb4"),
        ("mysql://u:p@h/d?ssl-mode=PREFERRED", "ssl-mode of DISABLED, REQUIRED"),
        ("mysql://u:p@h/d?sslaccept=strict", "must not name sslaccept"),
    ],
)
def test_a_url_that_asyncmy_cannot_use_is_refused_with_the_reason(
    url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SystemExit, match=rf"^DATABASE_URL is not valid: .*{words}"):
        load_settings()


async def test_a_connection_is_made_with_what_a_url_may_say(settings: Settings) -> None:
    url = settings.database_url.replace("mysql+asyncmy://", "mariadb://")
    database = open_database(Settings(database_url=f"{url}&ssl-mode=DISABLED&reconnect=true"))
    await database.ping()
    await database.close()
