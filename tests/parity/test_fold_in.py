"""With titles weighed alike and Spark's regularisation, the fold-in is what Spark's ALS solves for the same user.

ALS solves the titles and then the users in each iteration, so the user factors of a fitted model are the full solution
with its item factors fixed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from normal_equations import normal_equations
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession

from lambda_arch.ranking import fold_in_many
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.tiles import MILLION, Seen

USERS, TITLES, LONGEST = 1000, 2100, 2000
RANK, REG, ALPHA, SEED = 16, 0.1, 2.0, 20160101
pytestmark = pytest.mark.spark


class Audience(NamedTuple):
    """Of each user, strengths by title row, newest first; from one title to two thousand."""

    strengths: list[dict[int, float]]

    def histories(self) -> list[list[Seen]]:
        return [
            [Seen(-place, 0, str(row), round(strength * MILLION)) for place, (row, strength) in enumerate(own.items())]
            for own in self.strengths
        ]

    def ratings(self, spark: SparkSession) -> DataFrame:
        rows = [(user, row, strength) for user, own in enumerate(self.strengths) for row, strength in own.items()]
        columns = zip(("user", "item", "strength"), zip(*rows, strict=True), strict=True)
        kinds = {"user": pa.int32(), "item": pa.int32(), "strength": pa.float32()}
        return spark.createDataFrame(pa.table({name: pa.array(column, kinds[name]) for name, column in columns}))


@pytest.fixture(scope="module")
def audience() -> Audience:
    rng = np.random.default_rng(SEED)
    lengths = np.geomspace(1, LONGEST, USERS).round().astype(int)
    # Quarters, which Spark's single precision has exactly. Whoever sees two thousand leaves few titles unseen.
    return Audience(
        [
            dict(zip(rng.permutation(TITLES)[:length].tolist(), (rng.integers(1, 6, length) / 4).tolist(), strict=True))
            for length in lengths
        ]
    )


@pytest.fixture(scope="module")
def solved(spark: SparkSession, audience: Audience) -> tuple[RecommendModel, np.ndarray]:
    """Spark's item factors as a model whose fold-in has Spark's regularisation, and Spark's user factors."""
    als = ALS(
        rank=RANK, regParam=REG, alpha=ALPHA, maxIter=2, implicitPrefs=True, numUserBlocks=2, numItemBlocks=2,
        seed=SEED, userCol="user", itemCol="item", ratingCol="strength",
    )  # fmt: skip
    fitted = als.fit(audience.ratings(spark))
    # Spark adds regParam to the diagonal once for every title that the user has seen.
    plain = FoldIn(reg=REG * LONGEST, alpha=ALPHA, few=LONGEST)
    titles = [str(row) for row in range(TITLES)]
    return RecommendModel("als", 1, titles, factors(fitted.itemFactors), plain, []), factors(fitted.userFactors)


def factors(frame: DataFrame) -> np.ndarray:
    table = frame.toArrow().sort_by("id")
    return table["features"].combine_chunks().flatten().to_numpy().reshape(-1, RANK)


@pytest.fixture(scope="module")
def folded(audience: Audience, solved: tuple[RecommendModel, np.ndarray]) -> np.ndarray:
    return fold_in_many(solved[0], audience.histories())


def test_a_user_of_one_title_and_one_of_two_thousand_are_among_those_compared(audience: Audience) -> None:
    lengths = [len(own) for own in audience.strengths]
    assert (len(lengths), min(lengths), max(lengths)) == (USERS, 1, LONGEST)
    # Fewer titles than factors are solved by another way than more.
    assert sum(length < RANK for length in lengths) > USERS // 4


def test_the_fold_in_is_sparks_own_solution_for_every_user(
    solved: tuple[RecommendModel, np.ndarray], folded: np.ndarray
) -> None:
    spark_users = solved[1].astype(np.float64)
    lengths = np.linalg.norm(spark_users, axis=1) * np.linalg.norm(folded, axis=1)
    cosines = np.einsum("ij,ij->i", spark_users, folded) / lengths
    assert folded.shape == spark_users.shape == (USERS, RANK)
    assert cosines.min() >= 0.9999
    # The direction and the length as well, as far as Spark's single precision goes.
    assert folded == pytest.approx(spark_users, rel=1e-4, abs=1e-5)


def test_the_fold_in_is_the_plain_solution_of_the_normal_equations_for_every_user(
    audience: Audience, solved: tuple[RecommendModel, np.ndarray], folded: np.ndarray
) -> None:
    plain = np.array([normal_equations(solved[0], own) for own in audience.strengths])
    assert folded == pytest.approx(plain, rel=1e-5, abs=1e-7)
