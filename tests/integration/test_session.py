"""A session of its own: what it says on stderr, and what its linear algebra is made of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark

# Fits a model that solves equations, by BLAS and LAPACK.
FIT = """
import sys
from pathlib import Path
from pyspark.ml.recommendation import ALS
from conftest import config_below
from lambda_arch.session import spark_session

spark = spark_session(config_below(Path(sys.argv[1])), "algebra", "local[1]", "1g")
rows = [(user, item, 1.0) for user in range(5) for item in range(5) if user != item]
ratings = spark.createDataFrame(rows, "user int, item int, rating double")
print(len(ALS(rank=3, maxIter=1, implicitPrefs=True).fit(ratings).itemFactors.collect()))
netlib = spark.sparkContext._jvm.dev.ludovic.netlib
print(netlib.blas.BLAS.getInstance().getClass().getSimpleName())
print(netlib.lapack.LAPACK.getInstance().getClass().getSimpleName())
spark.stop()
"""


def test_linear_algebra_is_java_s_on_every_machine_and_says_nothing(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = ['{tests.parent}', '{tests}']\n{FIT}", str(tmp_path)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout.split() == ["5", "VectorBLAS", "F2jLAPACK"], done.stderr
    assert "netlib" not in done.stderr
