"""The night's tiles of posts (Spark) and the stream's (plain) merge to those of all posts, at any horizon."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from pyspark.sql import DataFrame, SparkSession
from store_content import records

from batch.feelings.sentiment import POST_TILES, post_tiles, title_tiles
from batch.publish import SCORED, scored_titles
from lambda_arch.clock import DAY, MINUTE, micros
from lambda_arch.fidelity import FidelityTable
from lambda_arch.models import Models
from lambda_arch.posts import Post, PostProfile, decode_post_profile, merge_post_profiles, post_profile
from lambda_arch.predictions import Scoring, predict_title
from lambda_arch.records import decode
from lambda_arch.scoring import post_tile
from lambda_arch.store import Store
from streaming.apply import Applier

pytestmark = [pytest.mark.spark, pytest.mark.servers]
FIRST = datetime(2015, 9, 1, tzinfo=UTC)
LAST = datetime(2015, 12, 31, tzinfo=UTC)
Row = tuple[str, datetime, str]


def random_posts(seed: int, count: int = 600) -> list[Row]:
    """Of five titles, denser towards the end, some to the microsecond on a tile's edge."""
    rng, span = random.Random(seed), LAST - FIRST
    rows = []
    for _ in range(count):
        passed = max(rng.random(), rng.random(), rng.random()) ** rng.choice((1, 0.01))
        time = FIRST + timedelta(minutes=passed * span / timedelta(minutes=1))
        edge = time.replace(minute=0, second=0, microsecond=0) - timedelta(microseconds=rng.choice((0, 1)))
        rows.append((f"t{rng.randrange(5)}", rng.choice((time, edge)), rng.choice(("good", "bad", "good bad"))))
    return rows


def of_night(spark: SparkSession, rows: list[Row], scoring: Scoring) -> DataFrame:
    frame = spark.createDataFrame(rows, "title_id string, event_time timestamp, text string")
    tiles = title_tiles(frame.mapInArrow(post_tiles(scoring.models.sentiment), POST_TILES))
    return tiles.mapInArrow(scored_titles(scoring), SCORED)


def streamed(rows: list[Row], title: str, models: Models) -> PostProfile:
    tiles = [post_tile(models.sentiment, micros(time), text) for of, time, text in rows if of == title]
    return merge_post_profiles(map(post_profile, tiles))


@pytest.mark.parametrize("days", [0, 5, 122], ids=["all at night", "the last days streamed", "all streamed"])
def test_both_layers_have_the_same_tiles_and_say_the_same(spark: SparkSession, small_models: Models, days: int) -> None:
    rows = random_posts(days)
    horizon = LAST - timedelta(days=days)
    scoring = Scoring(small_models, "batch", micros(LAST), 0, 3)
    said = of_night(spark, [row for row in rows if row[1] < horizon], scoring).collect()
    known = {row.entity[2:]: decode_post_profile(bytes(row.profile)) for row in said}
    late = [row for row in rows if row[1] >= horizon]
    assert (bool(known), bool(late)) == (days < 122, days > 0)
    for title in {title for title, _, _ in rows}:
        whole = merge_post_profiles([known.get(title, PostProfile()), streamed(late, title, small_models)])
        assert whole == streamed(rows, title, small_models)
        assert len(whole.minutes) < sum(felt.posts for felt in whole.hours.values()) < whole.lifetime.posts
    for row in said if not days else ():
        [told] = [decode(record.record.encode()) for record in row.records]
        [expected] = predict_title(row.entity[2:], streamed(rows, row.entity[2:], small_models), scoring)
        assert told == expected


def test_the_stream_says_of_the_same_posts_what_the_night_says(
    spark: SparkSession, small_models: Models, store_url: str
) -> None:
    rows = random_posts(77)
    models = msgspec.structs.replace(small_models, horizon=micros(FIRST) - DAY)
    night = of_night(spark, rows, Scoring(models, "batch", micros(LAST), 0, 3)).collect()
    store = Store(store_url.removesuffix("/0") + "/7", 1)
    store.redis.flushdb()
    store.put_models(models, FidelityTable(models.generation, {}))
    store.flip(models.generation, models.horizon)
    posts = [Post("posts", 0, n, f"p{n}", n, title, micros(time), text) for n, (title, time, text) in enumerate(rows)]
    speed = Applier(store, 5, 3)
    for begin in range(0, len(posts), 70):
        speed.apply([msgspec.json.encode(post) for post in posts[begin : begin + 70]])
    assert len(night) == 5
    for row in night:
        [told] = [decode(record.record.encode()) for record in row.records]
        said = records(store, row.entity)["sentiment"]
        assert (said.value, said.evidence, said.as_of) == (told.value, told.evidence, told.as_of)
    store.redis.flushdb()
    store.redis.close()


def test_tiles_are_numbered_alike_on_every_edge(spark: SparkSession, small_models: Models) -> None:
    scoring = Scoring(small_models, "batch", 0, 0, 3)
    edges = [number * unit + step for unit in (DAY, MINUTE) for number in (16_000, 16_001) for step in (-1, 0, 1)]
    rows = [(f"t{time}", datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time), "good") for time in edges]
    for row in of_night(spark, rows, scoring).collect():
        assert decode_post_profile(bytes(row.profile)) == streamed(rows, row.entity[2:], small_models)
