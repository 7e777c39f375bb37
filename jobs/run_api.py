"""The store -> HTTP: the API of the serving layer, on this machine."""

from __future__ import annotations

import argparse
import ipaddress
import socket
import sys

from lambda_arch.clock import wall_now
from lambda_arch.config import Config, ConfigError, load_config
from serving.access.keys import KeysError, KeysFile
from serving.app import create_app
from serving.server import by_granian, by_uvicorn


def main() -> None:
    """Serve until stopped; a wrong setting is one line on stderr."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        run(load_config())
    except (ConfigError, KeysError) as error:
        sys.exit(f"run_api: {error}")


def run(config: Config) -> None:
    """Serve on the configured address until stopped.

    Raises ConfigError for an address beyond this machine without keys, and for one on which it cannot listen.
    """
    host = config.serving.host
    if not (_is_loopback(host) or _has_keys(config)):
        raise ConfigError(
            f"serving.host {host}: without API keys everybody could ask and write, so the API listens on this machine "
            "only; make a key with `lambda-arch keys create`, or set serving.host to 127.0.0.1"
        )
    _require_free(host, config.serving.port)
    if config.serving.server == "granian":
        by_granian(config.serving)
    else:
        by_uvicorn(create_app(config), config.serving)


def _require_free(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            # As the servers do: what a process of before leaves behind for a minute is no hindrance.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        raise ConfigError(
            f"serving.host {host}, serving.port {port}: cannot listen there: {error.strerror}; stop what does, or "
            "correct them"
        ) from None


def _has_keys(config: Config) -> bool:
    file, now = KeysFile(config.serving.access.keys_file), wall_now()
    try:
        return any(key.is_in_force(now) for key in file.read())
    except KeysError as error:
        raise ConfigError(str(error)) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    main()
