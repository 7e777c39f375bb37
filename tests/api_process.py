"""The API as a process of its own, as it is run in production."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
from served import wait_for
from store_server import free_port

from lambda_arch.config import Config

ROOT = Path(__file__).parents[1]


class Api(NamedTuple):
    """A process that answers on a loopback port, and a client of it."""

    process: psutil.Process
    port: int
    client: httpx.Client
    log: Path


@contextmanager
def api_process(config: Config, folder: Path) -> Iterator[Api]:
    """The API with these settings on a free port; it must live and end when it is told to."""
    port, log = free_port(), folder / "api.log"
    serving = config.serving.model_copy(update={"port": port})
    settings = folder / "api.yaml"
    settings.write_text(config.model_copy(update={"serving": serving}).model_dump_json(), encoding="utf-8")
    environ = {**os.environ, "LAMBDA_ARCH_CONFIG": str(settings)}
    with log.open("ab") as out:
        started = subprocess.Popen(
            [sys.executable, "-m", "jobs.run_api"], cwd=ROOT, env=environ, stdout=out, stderr=out
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            wait_for(lambda: started.poll() is not None or answers(client), 60)
            assert started.poll() is None, log.read_text()
            yield Api(psutil.Process(started.pid), port, client, log)
        assert started.poll() is None, log.read_text()
    finally:
        started.terminate()
        assert started.wait(30) in (0, -signal.SIGTERM)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False
