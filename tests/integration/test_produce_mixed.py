"""What is mixed in on the way to a real broker is found again behind gate and apply, to the record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archived import empty_store, put_generation
from mappings import RATINGS
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from speed_stack import FETCHED
from store_content import counts

from batch.ingestion.mapping import IngestError, Mapping
from batch.ingestion.outgoing import outgoing
from deploy import servers
from deploy.ports import on_free_ports
from lambda_arch.config import Config, load_config
from lambda_arch.models import Models
from lambda_arch.schemas import RAW, conform
from lambda_arch.states import Counts
from streaming.apply import Applier
from streaming.gate import gated_events, gated_posts

pytestmark = [pytest.mark.servers, pytest.mark.spark]
EVENTS, POSTS, DATABASE = 3_000, 60, 11
SHARES = ["--duplicates", "0.1", "--disorder", "0.1", "--late", "0.05", "--poison", "0.1", "--seed", "7"]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    config = on_free_ports(load_config({}), tmp_path_factory.mktemp("mixed") / "var")
    with servers.running(config, ["kafka"], jars=FETCHED if FETCHED.is_dir() else None):
        yield config


def told(config: Config, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "produce", *arguments, "--json"],
        env={**os.environ, "LAMBDA_ARCH__KAFKA__BOOTSTRAP": config.kafka.bootstrap},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def raw(spark: SparkSession, config: Config, topic: str) -> DataFrame:
    reader = spark.read.format("kafka").option("kafka.bootstrap.servers", config.kafka.bootstrap)
    return reader.option("subscribe", topic).load().transform(conform(RAW)).coalesce(1).orderBy("partition", "offset")


def test_what_was_mixed_in_is_what_gate_and_apply_count(
    broker: Config, spark: SparkSession, store_url: str, small_models: Models
) -> None:
    report = told(broker, "--generate", str(EVENTS), *SHARES)
    assert report["records"] == EVENTS + POSTS
    assert min(report["duplicates"], report["disordered"], report["late"]) > 50
    malformed = sum(report["poison"].values())
    assert report["sent"] == report["acked"] == report["records"] + report["duplicates"] + malformed

    config, store = empty_store(broker, store_url, DATABASE)
    put_generation(store, small_models)
    topics = config.kafka.topics
    gates = {topics.events: gated_events(config.events, topics), topics.posts: gated_posts(config.events, topics)}
    reasons: Counter[str] = Counter()
    for topic, gate in gates.items():
        rows = raw(spark, config, topic).transform(gate).select("value", F.col("headers")[0]["value"].alias("why"))
        found = rows.collect()
        Applier(store, config.features.history_limit, 5).apply([bytes(row.value) for row in found if not row.why])
        reasons.update(bytes(row.why).decode() for row in found if row.why)
    assert reasons == report["poison"]
    assert counts(store) == Counts(applied=report["records"], duplicates=report["duplicates"])
    store.redis.flushdb()


def test_a_data_set_becomes_the_records_that_ingest_would_settle(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,film,stars,time\n1,31,2.5,1260759144\n2,31,,1260759179\n")
    mapping = RATINGS.model_copy(update={"where": "stars is not null"})
    [record] = outgoing(spark, [str(path)], mapping)
    assert (record.topic, record.key) == ("events", b"1")
    assert json.loads(record.value) == {
        "event_id": "r-1-31", "event_type": "rating", "user_id": "1", "title_id": "31", "event_time": 1260759144000,
        "value": 2.5,
    }  # fmt: skip
    with pytest.raises(IngestError, match=r"gone.csv: not readable as csv: .*; check the path and the format"):
        outgoing(spark, [str(tmp_path / "gone.csv")], mapping)


def test_posts_are_keyed_by_title_or_by_themselves_and_titles_are_not_streamed(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text('{"id": "p1", "film": "t1"}\n{"id": "p2"}\n{broken\n')
    columns = {"post_id": "id", "text": "'good'", "event_time": "0", "title_id": "film"}
    mapping = Mapping(name="posts", target="posts", format="json", columns=columns)
    found = outgoing(spark, [str(path)], mapping)
    assert [(record.topic, record.key) for record in found] == [("posts", b"t1"), ("posts", b"p2"), ("posts", None)]
    assert found[2].value == b"{broken"
    titles = Mapping(name="films", target="titles", format="json", columns={"title_id": "id", "name": "id"})
    with pytest.raises(IngestError, match="mapping films: only events and posts are streamed, titles are not"):
        outgoing(spark, [str(path)], titles)
