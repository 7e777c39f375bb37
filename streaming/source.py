"""Kafka -> raw records, and what of them was rejected."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from lambda_arch.config import Kafka
from lambda_arch.schemas import RAW, conform


def raw_records(spark: SparkSession, kafka: Kafka, topic: str) -> DataFrame:
    """A topic from its beginning as a stream of schema RAW; the checkpoint knows how far it was read."""
    return _messages(spark, kafka, topic).transform(conform(RAW))


def rejected_records(spark: SparkSession, kafka: Kafka) -> DataFrame:
    """Topic `quarantine` from its beginning as a stream of (key, value, headers, …)."""
    return _messages(spark, kafka, kafka.topics.quarantine, headers=True)


def _messages(spark: SparkSession, kafka: Kafka, topic: str, headers: bool = False) -> DataFrame:
    reader = spark.readStream.format("kafka").option("kafka.bootstrap.servers", kafka.bootstrap)
    reader = reader.option("subscribe", topic).option("startingOffsets", "earliest")
    # A broker answers a fetch at the latest after so many milliseconds: the default 500 is latency.
    reader = reader.option("kafka.fetch.max.wait.ms", "5").option("kafkaConsumer.pollTimeoutMs", "20000")
    # Offsets that are gone must stop the query with a message: nothing is lost in silence.
    return reader.option("failOnDataLoss", "true").option("includeHeaders", str(headers).lower()).load()
