"""The store -> HTTP: the API of the serving layer, on this machine."""

from __future__ import annotations

import argparse
import ipaddress
import sys

from lambda_arch.config import Config, ConfigError, load_config
from serving.app import create_app
from serving.server import by_granian, by_uvicorn


def main() -> None:
    """Serve until stopped; a wrong setting is one line on stderr."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    try:
        run(load_config())
    except ConfigError as error:
        sys.exit(f"run_api: {error}")


def run(config: Config) -> None:
    """Serve on the configured address until stopped; raises ConfigError for one beyond this machine."""
    host = config.serving.host
    if not _is_loopback(host):
        raise ConfigError(
            f"serving.host {host}: the API has no authentication and listens on this machine only; "
            "set serving.host to 127.0.0.1 and put a reverse proxy that authenticates before it"
        )
    if config.serving.server == "granian":
        by_granian(config.serving)
    else:
        by_uvicorn(create_app(config), config.serving)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    main()
