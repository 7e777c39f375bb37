"""Kafka -> raw records."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from lambda_arch.config import Kafka
from lambda_arch.schemas import RAW, conform


def raw_records(spark: SparkSession, kafka: Kafka, topic: str) -> DataFrame:
    """A topic from its beginning as a stream of schema RAW; the checkpoint knows how far it was read."""
    reader = spark.readStream.format("kafka").option("kafka.bootstrap.servers", kafka.bootstrap)
    reader = reader.option("subscribe", topic).option("startingOffsets", "earliest")
    # A broker answers a fetch at the latest after so many milliseconds: the default 500 is latency.
    reader = reader.option("kafka.fetch.max.wait.ms", "5").option("kafkaConsumer.pollTimeoutMs", "20000")
    # Offsets that are gone must stop the query with a message: nothing is lost in silence.
    return reader.option("failOnDataLoss", "true").load().transform(conform(RAW))
