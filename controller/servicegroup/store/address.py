"""The URL of a database server: text comes in, SQLAlchemy's URL goes out, or a sentence that holds no password."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from servicegroup.store.base import InvalidStore

OPTIONS = {
    "postgresql+psycopg": frozenset(
        {"host", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "target_session_attrs"}
    ),
    "mysql+pymysql": frozenset({"unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "ssl_check_hostname"}),
}
"""What may stand behind the `?`: the way to the server and TLS. Timeouts are each call's own."""


def parse(url: str) -> URL:
    """The address of a server, of a scheme in OPTIONS. Raises InvalidStore."""
    scheme = url.partition("://")[0]
    form = f"{scheme}://user:password@host:port/database, where @ / : ? # % in a password are written %40 %2F and so on"
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port, and its text may be a part of the password
        raise InvalidStore(f"store URL with the scheme {scheme!r}: not an address; write {form}") from None
    # An @ that is left over says that the password was cut in two, and what is behind it is none of a host's.
    if not address.database or "@" in f"{address.host}{address.database}":
        raise InvalidStore(f"store URL with the scheme {scheme!r}: no database is named; write {form}")
    unknown = sorted(set(address.query) - OPTIONS[scheme])
    if unknown:
        allowed = ", ".join(sorted(OPTIONS[scheme]))
        raise InvalidStore(f"store {shown(address)}: option {unknown[0][:60]!r} is not allowed; allowed: {allowed}")
    return address


def shown(address: URL) -> str:
    """The address as logs may show it: without password and options."""
    return address.set(password=None, query={}).render_as_string()
