"""The store -> HTTP: the API of the serving layer, on this machine."""

from __future__ import annotations

import argparse
import ipaddress
import sys

import uvicorn
from fastapi import FastAPI
from granian import Granian
from granian.constants import Interfaces, Loops
from starlette.types import ASGIApp

from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.policies import Serving
from serving.app import create_app

# A thread that loads models lets the event loop go on after this long; Python's 5 ms would be a pause in answers.
SWITCH_SECONDS = 0.0005


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


def by_uvicorn(app: ASGIApp, settings: Serving) -> None:
    """Serve in this process; requests are counted by /metrics, not logged."""
    sys.setswitchinterval(SWITCH_SECONDS)
    uvicorn.run(
        app, host=settings.host, port=settings.port, loop="uvloop", http="httptools", ws="none", access_log=False
    )


def by_granian(settings: Serving) -> None:
    """Serve in a worker process, which reads the settings anew."""
    Granian(
        "jobs.run_api:configured_app", settings.host, settings.port, interface=Interfaces.ASGI, loop=Loops.uvloop,
        factory=True, websockets=False,
    ).serve()  # fmt: skip


def configured_app() -> FastAPI:
    """The API as the settings of this process have it."""
    sys.setswitchinterval(SWITCH_SECONDS)
    return create_app(load_config())


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    main()
