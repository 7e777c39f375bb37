"""Content vectors and the regression onto factors, in numpy alone."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from pyspark.sql import Row

from batch.recommenders.content import RIDGE, content_vectors, regressed


def title(genres: list[str] | None = None, brand: str | None = None, plot: str | None = None) -> Row:
    return Row(year=None, genres=genres, talents=None, brand=brand, plot=plot)


def test_terms_of_a_single_title_and_kinds_that_nobody_tells_are_left_out() -> None:
    found = content_vectors([title(["a", "b"]), title(["a"], "x", "one word"), title(["c"], "x", "Word!")])
    assert found.toarray() == pytest.approx(np.array([[1, 0, 0], [1, 1, 1], [0, 1, 1]]))
    assert content_vectors([title(), title()]).shape == (2, 0)


def test_a_rarer_genre_tells_more() -> None:
    common, rare = content_vectors([title(["a", "b"]), title(["a", "b"]), title(["a"])]).toarray()[0]
    assert 0 < common < rare


def test_factors_that_content_makes_come_back_but_for_the_ridge() -> None:
    rng = np.random.default_rng(1)
    content, weights = rng.normal(size=(4000, 6)), rng.normal(size=(6, 3))
    found = regressed(sp.csr_matrix(content), content @ weights + 5, sp.csr_matrix(content[:9]))
    assert found == pytest.approx(content[:9] @ weights + 5, abs=5 * RIDGE / 4000 * 2)
