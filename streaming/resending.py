"""Rejected records -> Kafka once more, after a fix or because a rule was relaxed; each is marked, none deleted.

What is sent is written down before: a replay that was stopped sends the same bytes again, and their ids make them
duplicates. From the broker on, a record's way is that of any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lambda_arch.config import Config
from lambda_arch.lake import Lake
from lambda_arch.schemas import COORDINATES
from lambda_arch.tables import QUARANTINE
from streaming.fixes import Fix, Kind, attempted, judged, told
from streaming.produce import ProduceError, Record, produce
from streaming.rejects import QuarantineError, Selection, as_text, kind, place

_UNCHANGED = "stored.reason = new.reason AND stored.fix <=> new.fix AND stored.fixed <=> new.fixed"


@dataclass(frozen=True)
class Trial:
    """Records by what the rules say after the fix; `failed` by reason; `left`: of files, unknown what they are."""

    passed: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    left: int = 0


@dataclass(frozen=True)
class Replay:
    """What a replay did: the trial of what was not fixed before, and how many records the broker acknowledged."""

    trial: Trial
    sent: int


@dataclass(frozen=True)
class Request:
    """Which records, what is to be changed in them, what rows of files are, and when (microseconds)."""

    selection: Selection
    fix: Fix
    now: int
    of_files: Kind | None = None

    def __post_init__(self) -> None:
        """Raises QuarantineError where rows of several files would be taken for the same."""
        if self.of_files and not self.selection.topic:
            told = "--as says what rows of files are: name their topic too, such as --topic file:ratings"
            raise QuarantineError(told)


def preview(lake: Lake, request: Request, config: Config, limit: int) -> tuple[Trial, list[dict[str, Any]]]:
    """What `mend` would do, and the first records before and after; writes nothing."""
    tried = _tried(lake, request, config)
    first = tried.orderBy(*COORDINATES).limit(limit).select(place().alias("at"), "value", "attempt", "verdict")
    rows = [
        {"coordinates": row.at, "before": as_text(row.value), "after": as_text(row.attempt),
         "verdict": row.verdict or "passes"}
        for row in first.collect()
    ]  # fmt: skip
    return _trial(lake, request, config, tried), rows


def mend(lake: Lake, request: Request, config: Config) -> Trial:
    """Keep beside each record its bytes after the fix, if they pass the rules; else its new reason.

    Records that a replay has taken stay as they are.
    """
    tried = _tried(lake, request, config).persist()
    try:
        passed = F.col("verdict").isNull()
        rows = tried.select(
            *COORDINATES, F.coalesce("verdict", "reason").alias("reason"), F.lit(told(request.fix)).alias("fix"),
            F.when(passed, F.col("attempt")).alias("fixed"),
        )  # fmt: skip
        trial = _trial(lake, request, config, tried)
        lake.update_known(rows, QUARANTINE, *COORDINATES, where=f"stored.replay IS NULL AND NOT ({_UNCHANGED})")
        return trial
    finally:
        tried.unpersist()


def replay(lake: Lake, request: Request, config: Config, rate: float | None) -> Replay:
    """Send the selected records that pass the rules, and mark them. Twice is once.

    Raises ProduceError where the broker does not take them all; the next replay sends them again.
    """
    trial = mend(lake, request, config)
    # A record that failed has another reason now; one that passed has kept its own.
    ready = _chosen(lake, request, config).where("fixed IS NOT NULL AND replay IS NULL")
    taken = ready.select(*COORDINATES, F.lit(lake.run_id).alias("replay"))
    lake.update_known(taken, QUARANTINE, *COORDINATES, where="stored.replay IS NULL AND stored.fixed IS NOT NULL")
    sending = _chosen(lake, request, config).where("replay IS NOT NULL AND replayed_at IS NULL").persist()
    try:
        sent = _sent(sending, config, rate)
        done = sending.select(*COORDINATES, F.timestamp_micros(F.lit(request.now)).alias("replayed_at"))
        lake.update_known(done, QUARANTINE, *COORDINATES, where="stored.replayed_at IS NULL")
        return Replay(trial, sent)
    finally:
        sending.unpersist()


def _chosen(lake: Lake, request: Request, config: Config) -> DataFrame:
    """The selected rows of which it is known what they are, with `kind`."""
    rows = lake.read(QUARANTINE).transform(request.selection)
    return rows.withColumn("kind", kind(config.kafka.topics, request.of_files)).where("kind IS NOT NULL")


def _tried(lake: Lake, request: Request, config: Config) -> DataFrame:
    """The rows that the request may change, with `attempt` and `verdict`: without a fix those that have none yet."""
    open_rows = _chosen(lake, request, config).where("replay IS NULL")
    rows = open_rows if request.fix else open_rows.where("fixed IS NULL")
    # An expression that fits one kind need not fit the other.
    kinds = [row.kind for row in rows.select("kind").distinct().orderBy("kind").collect()]
    parts = [
        rows.where(F.col("kind") == name)
        .transform(attempted(name, request.fix))
        .transform(judged(name, config.events, request.now))
        for name in kinds or ["events"]
    ]
    return reduce(DataFrame.unionByName, parts)


def _trial(lake: Lake, request: Request, config: Config, tried: DataFrame) -> Trial:
    counts = {row.verdict: row["count"] for row in tried.groupBy("verdict").count().orderBy("verdict").collect()}
    known = kind(config.kafka.topics, request.of_files)
    left = lake.read(QUARANTINE).transform(request.selection).where(known.isNull()).where("replayed_at IS NULL").count()
    return Trial(counts.pop(None, 0), counts, left)


def _sent(sending: DataFrame, config: Config, rate: float | None) -> int:
    records = sending.select("kind", _key().alias("key"), "fixed").orderBy(*COORDINATES)
    try:
        return produce(config.kafka.bootstrap, _records(records), rate, config.kafka.topics).acked
    except ProduceError as error:
        raise ProduceError(f"{error}; replay again once the broker {config.kafka.bootstrap} takes them") from None


def _records(rows: DataFrame) -> Iterator[Record]:
    for row in rows.toLocalIterator():
        yield Record(row.kind, row.key and row.key.encode(), bytes(row.fixed))


def _key() -> Column:
    """As the contract has it: the user of an event, the title of a post or else the post."""
    record = F.col("fixed").cast("string")
    user, title, post = (F.get_json_object(record, f"$.{name}") for name in ("user_id", "title_id", "post_id"))
    return F.when(F.col("kind") == "events", user).otherwise(F.coalesce(title, post))
