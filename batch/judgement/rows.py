"""The backtest as rows of the lake: who answered how well at which lag, night by night."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from batch.judgement.backtest import Judged
from batch.judgement.cases import INCUMBENT
from batch.judgement.lags import LAYERS
from lambda_arch.fidelity import FidelityTable
from lambda_arch.schemas import BACKTEST


def backtest_rows(spark: SparkSession, judged: Judged) -> DataFrame:
    """Everything measured of tonight's layers, the incumbent's and the baselines -> rows of schema BACKTEST."""
    rows = [*_rows(judged.fidelity, "")]
    if judged.of_incumbent:
        rows += _rows(judged.of_incumbent, INCUMBENT)
    return spark.createDataFrame(rows, BACKTEST)


def _rows(table: FidelityTable, prefix: str) -> Iterator[tuple[Any, ...]]:
    """Layers get the prefix; baselines, which are the same for both contestants, are told with tonight's alone."""
    for use_case, answers in table.measures.items():
        for name, lags in answers.items():
            if prefix and name not in LAYERS:
                continue
            for lag, found in lags.items():
                figures = (found.value, found.standard_error, found.cases, list(found.borrowed))
                yield (table.generation, use_case, prefix + name, lag, *figures)
