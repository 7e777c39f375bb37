"""A border keeps exactly its columns, in order, and names what is wrong."""

from __future__ import annotations

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from lambda_arch.schemas import LABEL, SchemaError, conform

pytestmark = pytest.mark.spark


def test_columns_come_in_the_schema_s_order_and_others_go(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("positive", 7, "a")], "feeling string, other int, post_id string")
    wanted = spark.createDataFrame([("a", "positive")], LABEL)
    assert_df_equality(frame.transform(conform(LABEL)), wanted)


def test_every_missing_and_retyped_column_is_named(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(True,)], "feeling boolean")
    with pytest.raises(SchemaError, match=r"post_id: want string, have nothing; feeling: want string, have boolean"):
        frame.transform(conform(LABEL))
