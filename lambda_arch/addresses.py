"""Where the store is: its URL, taken apart once for every client."""

from __future__ import annotations

import ssl
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A server, or one of a cluster's; `path` is that of a Unix socket, else empty."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    tls: bool = False
    verify: bool = True
    authority: str | None = None
    username: str | None = None
    password: str | None = None
    database: int = 0
    cluster: bool = False

    def __str__(self) -> str:
        """For messages: without the password."""
        return self.path or f"{self.host}:{self.port}"

    def at(self, host: str, port: int) -> Address:
        """The same way in, at another server of the cluster."""
        return msgspec.structs.replace(self, host=host, port=port)

    def context(self) -> ssl.SSLContext | None:
        """What TLS needs, or None without it."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.authority)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def address_of(url: str) -> Address:
    """The address of `redis://`, `rediss://` (TLS), `unix://`, `redis+cluster://` or `rediss+cluster://`.

    TLS takes `?ssl_ca_certs=FILE` and `?ssl_cert_reqs=none`. Raises ValueError naming what is wrong.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(f"store.url: want {', '.join(f'{scheme}://' for scheme in SCHEMES)}, have {parts.scheme}://")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    local = parts.scheme == "unix"
    database = options.get("db") or ("0" if local else parts.path.strip("/") or "0")
    return Address(
        host=parts.hostname or "127.0.0.1", port=parts.port or 6379, path=unquote(parts.path) if local else "",
        tls=parts.scheme.startswith("rediss"), verify=options.get("ssl_cert_reqs") != "none",
        authority=options.get("ssl_ca_certs"), username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None, database=int(database),
        cluster=parts.scheme.endswith("+cluster"),
    )  # fmt: skip


def plain(url: str) -> str:
    """The URL without the mark of a cluster, as Redis' own clients take it."""
    scheme, separator, rest = url.partition("://")
    return scheme.removesuffix("+cluster") + separator + rest
