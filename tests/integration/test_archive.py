"""The archive as it runs: from the broker to silver, killed on its way, a night beside it, small files put together."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import psutil
import pytest
from night_process import QUICK
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from speed_stack import FETCHED, speed_config, until

from batch.conform import conform_bronze
from deploy import servers
from generate.pipeline import generated_lines
from generate.plan import Plan
from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.schemas import COORDINATES
from lambda_arch.silver import Counts
from lambda_arch.tables import BRONZE, EVENTS, POSTS, QUARANTINE, Table
from streaming.mixing import Shares, Tally, mixed
from streaming.produce import Record, produce, record_of

pytestmark = [pytest.mark.servers, pytest.mark.spark]
PLAN = Plan(3_000, 30, 20, 60, 1_767_225_600_000, 7, 300, 0.0, 0.0, 0.0)
SHARES = Shares(duplicates=0.2, disorder=0.1, late=0.1, poison=0.05)
PARTS, PATIENCE = 2, 600.0


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A broker and an archive, of which everything is due all the time."""
    config = speed_config(tmp_path_factory.mktemp("archive") / "var")
    often = {"silver_seconds": 1, "compact_minutes": 0.3}
    spark = config.spark.model_copy(update={"conf": QUICK})
    config = config.model_copy(update={"archive": config.archive.model_copy(update=often), "spark": spark})
    with servers.running(config, ["kafka", "archive"], jars=FETCHED if FETCHED.is_dir() else None):
        yield config


def test_killed_and_beside_a_night_it_brings_each_record_to_silver_once(config: Config, spark: SparkSession) -> None:
    lake, tally = Lake(spark, config.paths.lake, "night"), Tally()
    lines = [record_of(json_of(line)) for line in generated_lines(PLAN)]
    sent = list(tally.counted(mixed(lines, SHARES, config.events.max_bytes, Random(7))))
    settled = Counts()
    for part in range(PARTS):
        before = rows(lake, BRONZE), rows(lake, EVENTS)
        send(config, sent[part::PARTS])
        until(lambda before=before: rows(lake, BRONZE) > before[0] and rows(lake, EVENTS) > before[1], PATIENCE)
        # The night's own way to silver, while the archive is on it.
        settled = total(settled, conform_bronze(lake, config))
        kill(config, "archive")
    until(lambda: rows(lake, BRONZE) >= len(sent), PATIENCE)
    settled = total(settled, conform_bronze(lake, config))
    assert (settled.received, settled.rejected) == (len(sent), sum(tally.poison.values()))

    # What comes now the archive has to bring to silver, for no night is run.
    ours = [Record("events", b"alone", record.value.replace(b'"e7-', b'"alone-')) for record in lines[:50]]
    send(config, [record for record in ours if b'"alone-' in record.value])
    alone = sum(b'"alone-' in record.value for record in ours)
    until(lambda: lake.exists(EVENTS) and rows(lake, EVENTS, "event_id LIKE 'alone-%'") == alone, PATIENCE)

    assert alone > 0
    assert rows(lake, BRONZE) == lake.read(BRONZE).dropDuplicates([*COORDINATES]).count() == len(sent) + alone
    assert rows(lake, EVENTS) + rows(lake, POSTS) == tally.records + alone
    for table, key in ((EVENTS, "event_id"), (POSTS, "post_id")):
        assert lake.read(table).groupBy(key).count().where("count > 1").collect() == []
    reasons = Counter(row.reason for row in lake.read(QUARANTINE).select("reason").collect())
    assert reasons == tally.poison

    # Until now every second brought files; and it goes on while they become few.
    until(lambda: {operations(lake, table) for table in (BRONZE, EVENTS)} == {True}, PATIENCE)
    send(config, [Record("events", b"last", b"no JSON")])
    until(lambda: rows(lake, QUARANTINE, "key = cast('last' AS binary)") == 1, PATIENCE)
    until(lambda: files(lake, BRONZE) <= 2, PATIENCE)
    assert rows(lake, BRONZE) == len(sent) + alone + 1


def json_of(line: str) -> dict[str, object]:
    return dict(json.loads(line))


def send(config: Config, records: list[Record]) -> None:
    produce(config.kafka.bootstrap, records, None, config.kafka.topics)


def rows(lake: Lake, table: Table, where: str = "true") -> int:
    return lake.read(table).where(where).count() if lake.exists(table) else 0


def files(lake: Lake, table: Table) -> int:
    return int(lake.spark.sql(f"DESCRIBE DETAIL delta.`{lake.path(table)}`").collect()[0].numFiles)


def operations(lake: Lake, table: Table) -> bool:
    """Whether the archive has put files of the table together."""
    history = lake.spark.sql(f"DESCRIBE HISTORY delta.`{lake.path(table)}`")
    return history.where((F.col("operation") == "OPTIMIZE") & (F.col("userMetadata") == "archive")).count() > 0


def total(one: Counts, other: Counts) -> Counts:
    return Counts(*(getattr(one, name) + getattr(other, name) for name in ("received", "valid", "rejected", "new")))


def kill(config: Config, program: str) -> None:
    """kill -9 of the program and all its children; it is started again."""
    pid = pid_of(config, program)
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            os.kill(process.pid, signal.SIGKILL)
    until(lambda: pid_of(config, program) not in (0, None, pid), PATIENCE)


def pid_of(config: Config, program: str) -> int | None:
    return next(found.pid for found in servers.status(config) if found.name == program)
