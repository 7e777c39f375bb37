"""Who nobody has seen still gets an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lambda_arch.models import Models
from lambda_arch.records import USE_CASES, UseCase
from serving.fallback import fallback
from serving.values import is_valid, presented

NOTHING = Models(generation=0, horizon=0)


@pytest.mark.parametrize(
    ("segment", "expected", "model"),
    [
        pytest.param(None, ["c", "a", "b", "d", "e"], "popular", id="no segment known: everybody's popular first"),
        pytest.param(0, ["d", "c", "a", "b", "e"], "popular in segment", id="the segment's popular go first"),
        pytest.param(2, ["c", "a", "b", "d", "e"], "popular", id="a segment with nothing popular: everybody's"),
        pytest.param(9, ["c", "a", "b", "d", "e"], "popular", id="a segment the models lack: everybody's"),
        pytest.param(-1, ["c", "a", "b", "d", "e"], "popular", id="a negative segment is not counted from the end"),
    ],
)
def test_recommend(small_models: Models, segment: int | None, expected: list[str], model: str) -> None:
    made = fallback("recommend", small_models, segment, 50)
    assert (made.value, made.model, made.model_version) == ({"titles": expected, "scores": []}, model, 2)


def test_recommend_gives_no_more_than_asked(small_models: Models) -> None:
    assert fallback("recommend", small_models, None, 2).value["titles"] == ["c", "a"]


def test_recommend_without_a_model_gives_the_catalogue(small_models: Models) -> None:
    bare = msgspec.structs.replace(small_models, recommend=None, segment=None)
    made = fallback("recommend", bare, 0, 3)
    assert (made.value["titles"], made.model) == (["a", "b", "c"], "catalogue")


@pytest.mark.parametrize(
    ("use_case", "value", "model"),
    [
        ("segment", {"segment": 1, "name": "regular", "distance": None}, "biggest segment"),
        ("churn", {"probability": 0.27, "at_risk": False, "cutoff": 0.4}, "base rate"),
        ("sentiment", {"positive": 0.6, "low": 0.0, "high": 1.0, "posts": 0}, "positive share"),
    ],
)
def test_others(small_models: Models, use_case: UseCase, value: dict[str, Any], model: str) -> None:
    made = fallback(use_case, small_models, None, 10)
    assert (made.value, made.model, made.model_version) == (value, model, 2)


@pytest.mark.parametrize(
    ("use_case", "value"),
    [
        ("recommend", {"titles": [], "scores": []}),
        ("segment", {"segment": None, "name": "unknown", "distance": None}),
        ("churn", {"probability": None, "at_risk": False, "cutoff": None}),
        ("sentiment", {"positive": 0.5, "low": 0.0, "high": 1.0, "posts": 0}),
    ],
)
def test_without_any_generation_the_answer_claims_nothing(use_case: UseCase, value: dict[str, Any]) -> None:
    made = fallback(use_case, NOTHING, None, 10)
    assert (made.value, made.model_version) == (value, 0)


@pytest.mark.parametrize("use_case", USE_CASES)
def test_a_fallback_has_the_shape_of_a_stored_value(small_models: Models, use_case: UseCase) -> None:
    assert is_valid(use_case, fallback(use_case, small_models, None, 10).value)


def test_presented_titles_carry_their_names_and_scores(small_models: Models) -> None:
    shown = presented("recommend", {"titles": ["a", "zz"], "scores": [0.5]}, small_models)
    assert shown == {
        "items": [
            {"title_id": "a", "name": "The A", "score": 0.5},
            {"title_id": "zz", "name": None, "score": None},
        ],
        "next": None,
    }


def test_presented_next_titles_carry_their_names(small_models: Models) -> None:
    value = {"titles": ["a"], "scores": [0.5], "next": {"after": "b", "titles": ["c", "zz"]}}
    assert presented("recommend", value, small_models)["next"] == {
        "after": {"title_id": "b", "name": "The B"},
        "items": [{"title_id": "c", "name": "The C"}, {"title_id": "zz", "name": None}],
    }
