"""The numeric cores against independent computations."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from normal_equations import normal_equations

from lambda_arch.model_bytes import decode_models, encode_models
from lambda_arch.models import Models
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.records import UnknownSchemaError
from lambda_arch.scoring import fold_in, nearest_segment, sigmoid, top_titles, wilson
from lambda_arch.tiles import MILLION, Profile, Seen, Tile

HOW = FoldIn(reg=0.4, alpha=3.0, floor=0.2, gain=2.0, memory=3.0, few=4.0)


def seen(title: str, strength: float = 1.0) -> Seen:
    return Seen(0, 0, title, round(strength * MILLION))


def model(titles: int, rank: int, seed: int = 1) -> RecommendModel:
    factors = np.random.default_rng(seed).normal(size=(titles, rank)).astype(np.float32)
    names = [f"t{number}" for number in range(titles)]
    return RecommendModel("als", 1, names, factors, HOW, [])


@given(st.dictionaries(st.integers(0, 19), st.floats(0.05, 5), min_size=1, max_size=12), st.integers(1, 8))
def test_fold_in_solves_the_dense_equations(strengths: dict[int, float], rank: int) -> None:
    als = model(20, rank)
    rounded = {row: round(strength * MILLION) / MILLION for row, strength in strengths.items()}
    user = fold_in(als, [seen(f"t{row}", strength) for row, strength in rounded.items()])
    assert user == pytest.approx(normal_equations(als, rounded), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("history", [[], [seen("unknown")], [seen("t1", 0.0)]], ids=["none", "unknown", "no strength"])
def test_fold_in_of_nothing_the_model_knows(history: list[Seen]) -> None:
    assert fold_in(model(5, 2), history) is None
    assert top_titles(model(5, 2), history, 3) == []


@given(st.sets(st.integers(0, 29), min_size=1, max_size=30), st.integers(1, 40))
def test_top_titles_are_the_best_of_those_not_seen(rows: set[int], count: int) -> None:
    als = model(30, 4)
    history = [seen(f"t{row}") for row in sorted(rows)]
    scores = als.factors @ normal_equations(als, dict.fromkeys(sorted(rows), 1.0)).astype(np.float32)
    unseen = sorted((row for row in range(30) if row not in rows), key=lambda row: -scores[row])
    best = top_titles(als, history, count)
    assert [title for title, _ in best] == [f"t{row}" for row in unseen[:count]]
    assert [score for _, score in best] == pytest.approx([scores[row] for row in unseen[:count]], abs=1e-4)


@given(st.lists(st.integers(1, 3), min_size=2, max_size=200), st.integers(1, 20))
def test_equal_scores_come_in_the_model_s_order(factors: list[int], count: int) -> None:
    names = [f"t{number}" for number in range(len(factors))]
    als = RecommendModel("als", 1, names, np.array(factors, dtype=np.float32)[:, None], HOW, [])
    expected = sorted(range(1, len(factors)), key=lambda row: (-factors[row], row))[:count]
    assert [title for title, _ in top_titles(als, [seen("t0")], count)] == [f"t{row}" for row in expected]


@pytest.mark.parametrize(
    ("positive", "total", "low", "high"),
    [
        # Newcombe 1998, table I, method 3 (score interval without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_against_published_values(positive: int, total: int, low: float, high: float) -> None:
    assert wilson(positive, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_wilson_holds_the_share_and_mirrors(positive: int, total: int) -> None:
    positive = min(positive, total)
    low, high = wilson(positive, total)
    assert 0 <= low <= positive / total + 1e-12
    assert positive / total - 1e-12 <= high <= 1
    assert wilson(total - positive, total) == pytest.approx((1 - high, 1 - low))


@given(st.floats(-1e4, 1e4))
def test_sigmoid_neither_overflows_nor_leaves_its_range(log_odds: float) -> None:
    assert 0 <= sigmoid(log_odds) <= 1
    assert sigmoid(log_odds) + sigmoid(-log_odds) == pytest.approx(1)


def test_nearest_segment_measures_in_scaled_features(small_models: Models) -> None:
    assert small_models.segment is not None
    profile = Profile(Tile({"view": 1}, history=(seen("a"),)))
    number, distance = nearest_segment(small_models.segment, profile, 0)
    assert number == 1
    assert distance == pytest.approx(1 - math.log(2))


def test_models_survive_their_encoding(small_models: Models) -> None:
    again = decode_models(encode_models(small_models))
    assert again.recommend is not None
    assert small_models.recommend is not None
    assert again.recommend.factors.tobytes() == small_models.recommend.factors.tobytes()
    assert again.catalogue == small_models.catalogue


def test_models_of_another_schema_are_refused_whatever_their_fields() -> None:
    with pytest.raises(UnknownSchemaError, match="models of schema 1"):
        decode_models(msgspec.msgpack.encode({"schema": 1, "recommend": "elsewhere"}))
