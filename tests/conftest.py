"""Fixtures that several tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from pyspark.sql import SparkSession
from store_server import StoreServer

from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import Config, load_config
from lambda_arch.lake import Lake
from lambda_arch.models import ChurnModel, Models, SegmentModel, SentimentModel, Title
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.session import spark_session

# A machine that is busy with other work must not fail a property.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

VAR = Path(__file__).parents[1] / "var"
# Hundreds of tiny plans: compiling them costs more than it saves. The quick compiler alone is given 48 MB for its code,
# which a single night can fill: it compiles no more then, or Java gives up.
QUICK = {
    "spark.driver.extraJavaOptions": "-Xss8m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}
HORIZON = parse_rfc3339("2016-01-02T00:00:00Z")


@pytest.fixture(scope="session")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """The run's store server."""
    yield from _running(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def store_url(store_server: StoreServer) -> str:
    """The address of the run's store; tests share it, so each uses entities of its own."""
    return store_server.url


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """A store server of the module's own, which its tests may empty, end and start again."""
    yield from _running(tmp_path_factory.mktemp("own-store"))


def _running(folder: Path) -> Iterator[StoreServer]:
    server = StoreServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def small_models() -> Models:
    """Generation 2's models: four titles, three segments, three account features, two words."""
    return Models(
        generation=2,
        horizon=HORIZON,
        recommend=RecommendModel(
            name="als", version=2, titles=["a", "b", "c", "d"], fold_in=FoldIn(0.1, 2.0), popular=[2, 0, 1, 3],
            factors=np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.8]], dtype=np.float32),
            near=np.array([[1, 3], [0, -1], [3, -1], [2, -1]], dtype=np.int32),
        ),
        churn=ChurnModel(
            name="logistic", version=2, features=["number:tenure"], coefficients=np.array([-0.1]), intercept=0.5,
            cutoff=0.4, base_rate=0.27,
        ),
        segment=SegmentModel(
            name="kmeans", version=2, features=["titles"], mean=np.array([1.0]), scale=np.array([1.0]),
            centres=np.array([[-1.0], [0.0], [1.0]]), numbers=[0, 1, 4], names=["casual", "regular", "devoted"],
            sizes=[3, 9, 9], popular=[["d", "c"], ["a"], []],
        ),
        sentiment=SentimentModel(
            name="bayes", version=2, vocabulary=["good", "bad"], weights=np.array([[0.0, 1.0], [1.0, 0.0]]),
            prior=np.zeros(2), classes=["negative", "positive"], shares=[0.4, 0.6],
        ),
        catalogue={key: Title(f"The {key.upper()}", 2001, ("drama",)) for key in ("a", "b", "c", "d", "e")},
    )  # fmt: skip


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The run's only Spark session: starting one costs ten seconds."""
    session = spark_session(config_below(tmp_path_factory.mktemp("spark")), "tests", "local[2]", "2g")
    yield session
    session.stop()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The defaults, with a lake and checkpoints of the test's own."""
    return config_below(tmp_path)


@pytest.fixture
def lake(spark: SparkSession, config: Config) -> Lake:
    """An empty lake of the test's own."""
    return Lake(spark, config.paths.lake, "test")


def config_below(folder: Path) -> Config:
    """The defaults, with state in the folder and the jars of the repository."""
    paths = {"VAR": VAR, "LAKE": folder / "lake", "CHECKPOINTS": folder / "checkpoints"}
    environ = {f"LAMBDA_ARCH__PATHS__{name}": str(path) for name, path in paths.items()}
    return load_config({**environ, "LAMBDA_ARCH__SPARK__CONF": json.dumps(QUICK)})
