"""What was known at a horizon: silver before it, and the profiles of everyone in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lambda_arch.clock import rfc3339
from lambda_arch.features import profiles
from lambda_arch.lake import Lake
from lambda_arch.schemas import Transform
from lambda_arch.tables import EVENTS, LABELS, POSTS, TITLES
from lambda_arch.tiles import MILLION


@dataclass(frozen=True)
class Known:
    """Frames of schemas EVENT, POST, LABEL, TITLE and PROFILE; events and posts before `horizon` (microseconds).

    `versions`: of the lake's tables by name, as they were read.
    """

    horizon: int
    events: DataFrame
    posts: DataFrame
    labels: DataFrame
    titles: DataFrame
    profiles: DataFrame
    versions: Mapping[str, int] = field(default_factory=dict)


def known_before(lake: Lake, horizon: int, history_limit: int) -> Known:
    """Everything in silver before the horizon; events and profiles are kept in memory or on disk.

    What archive or ingestion bring into silver from now on is not in it, however often it is looked at.
    """
    versions = {table: lake.version(table) for table in (EVENTS, POSTS, LABELS, TITLES)}
    # By user, for so is nearly everything grouped that is made of them: each of a dozen plans would shuffle them anew.
    events = lake.read(EVENTS, versions[EVENTS]).transform(before(horizon)).repartition("user_id").persist()
    titles = lake.read(TITLES, versions[TITLES])
    return Known(
        horizon=horizon,
        events=events,
        posts=lake.read(POSTS, versions[POSTS]).transform(before(horizon)),
        labels=lake.read(LABELS, versions[LABELS]),
        titles=titles,
        profiles=events.transform(profiles(titles, history_limit)).persist(),
        versions={table.name: version for table, version in versions.items()},
    )


def before(horizon: int) -> Transform:
    """Rows whose event time is before the horizon (microseconds)."""
    moment = F.lit(rfc3339(horizon)).cast("timestamp")
    # By the date, which clusters the table, files are skipped.
    return lambda frame: frame.where((F.col("event_time") < moment) & (F.col("event_date") <= F.to_date(moment)))


def seen_titles(profiles: DataFrame) -> DataFrame:
    """Profiles -> (user_id, title_id, time, strength), strength as a fraction; unique per user and title."""
    seen = profiles.select("user_id", F.explode("lifetime.history").alias("seen"))
    strength = (F.col("seen.strength") / MILLION).alias("strength")
    return seen.select("user_id", F.col("seen.title").alias("title_id"), "seen.time", strength)
