"""The rows as ALS gets them: the same factors however Spark had dealt the rows out before."""

from __future__ import annotations

import random

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from batch.recommenders.als import _numbered, train_recommend
from lambda_arch.clock import DAY
from lambda_arch.config import load_config

pytestmark = pytest.mark.spark
USERS, TITLES = 50, [f"t{number:02}" for number in range(30)]


@pytest.fixture(scope="module")
def seen(spark: SparkSession) -> DataFrame:
    rng = random.Random(5)
    rows = [
        (f"u{user}", title, rng.randrange(400 * DAY), rng.random())
        for user in range(USERS)
        for title in rng.sample(TITLES, 8)
    ]
    return spark.createDataFrame(rows, "user_id string, title_id string, time long, strength double").persist()


def test_users_and_titles_have_numbers_of_their_own(seen: DataFrame) -> None:
    numbered = _numbered(seen, TITLES)
    assert numbered.count() == seen.count()
    numbers = numbered.agg(F.count_distinct("user"), F.count_distinct("item")).collect()[0]
    assert tuple(numbers) == (USERS, seen.select("title_id").distinct().count())


def test_the_factors_are_the_same_bit_for_bit_however_the_rows_lay(seen: DataFrame) -> None:
    settings = load_config({}).batch.recommend.model_copy(update={"rank": 8, "iterations": 2})
    first, again = (
        train_recommend(rows, settings, 1, 1) for rows in (seen.coalesce(1), seen.repartition(5, F.rand(seed=2)))
    )
    assert first is not None
    assert again is not None
    assert first.factors.tobytes() == again.factors.tobytes()
    assert first.popular == again.popular
    assert first.recent is not None and again.recent is not None
    assert first.recent.tobytes() == again.recent.tobytes()
