"""The parts of an answer add up to it."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.contributions import because, churn_reasons, strongest_words, words_of
from lambda_arch.models import ChurnModel, FeatureUse, SentimentModel
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.scoring import churn_probability, feeling_probabilities, softmax, top_titles
from lambda_arch.text import hashed
from lambda_arch.tiles import MILLION, Account, Profile, Seen, Tile

HOW = FoldIn(reg=0.4, alpha=3.0, floor=0.2, gain=2.0, memory=3.0, few=4.0, prior=2.0, fading=5.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_contributions_and_popularity_add_up_to_the_score(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"t{row}" for row in range(40)]
    model = RecommendModel(
        "als", 1, names, rng.normal(size=(40, 6)).astype(np.float32), HOW, [],
        recent=rng.uniform(size=40).astype(np.float32),
    )  # fmt: skip
    rows = rng.choice(45, length, replace=False)
    history = [Seen(0, 0, f"t{row}", int(rng.integers(1, MILLION))) for row in rows]
    best = top_titles(model, history, 5)
    parts = because(model, history, [title for title, _ in best])
    for title, score in best:
        made = parts[title]
        assert sum(part for _, part in made.titles) + made.crowd == pytest.approx(score, abs=1e-5)
        assert {name for name, _ in made.titles} <= {entry.title for entry in history}
        assert [part for _, part in made.titles] == sorted((part for _, part in made.titles), reverse=True)


def test_of_what_the_model_does_not_know_nothing_is_said() -> None:
    model = RecommendModel("als", 1, ["a", "b"], np.eye(2, dtype=np.float32), HOW, [])
    assert because(model, [Seen(0, 0, "strange", MILLION)], ["a"]) == {}
    assert because(model, [Seen(0, 0, "b", MILLION)], ["strange"]) == {}


def customer(**attributes: str) -> Profile:
    return Profile(Tile({"account": 1}, first=1, last=1, account=Account(1, 1, attributes)))


def test_churn_s_reasons_add_up_to_the_log_odds_and_stand_against_the_usual_customer() -> None:
    model = ChurnModel(
        "logistic", 1, ["number:tenure", "is:contract=month"], np.array([-0.1, 1.5]), 0.5, 0.4, 0.2,
        uses=[FeatureUse({}, [2.0, 10.0, 30.0], [0.3, 0.3, 0.3, 0.1]), FeatureUse({}, [0.0, 1.0], [0.8, 0.2, 0.0])],
    )  # fmt: skip
    profile = customer(tenure="4", contract="month")
    reasons = churn_reasons(model, profile, 0)
    odds = model.intercept + sum(reason.contribution for reason in reasons)
    assert 1 / (1 + math.exp(-odds)) == pytest.approx(churn_probability(model, profile, 0))
    assert [(reason.feature, reason.usual) for reason in reasons] == [
        ("is:contract=month", 0.0),
        ("number:tenure", 10.0),
    ]
    assert [reason.against_usual for reason in reasons] == pytest.approx([1.5, 0.6])
    bare = msgspec.structs.replace(model, uses=[])
    assert [reason.against_usual for reason in churn_reasons(bare, profile, 0)] == [None, None]


WORDS = SentimentModel(
    "bayes", 1, ["good", "bad", "film"], np.array([[0.0, 2.0], [3.0, 1.0], [0.5, 0.5]]), np.array([0.1, 0.0]),
    ["negative", "positive"], [0.4, 0.6],
)  # fmt: skip


@pytest.mark.parametrize("idf", [None, np.array([1.0, 2.0, 0.5])], ids=["plain", "tf-idf"])
def test_the_words_of_a_text_add_up_to_its_feeling(idf: np.ndarray | None) -> None:
    model = msgspec.structs.replace(WORDS, idf=idf)
    found = words_of(model, "Good film, bad end")
    assert [word.word for word in found] == ["good", "film", "bad"]
    total = model.prior + np.array([[*word.weights.values()] for word in found]).sum(axis=0)
    assert softmax(total) == pytest.approx(feeling_probabilities(model, "Good film, bad end"), abs=1e-5)
    assert words_of(model, "unheard") == []


def test_words_of_one_number_stand_together_and_have_no_names_of_their_own() -> None:
    number = hashed("good", 1)
    model = msgspec.structs.replace(WORDS, vocabulary=[number], weights=WORDS.weights[:1], buckets=1)
    assert [word.word for word in words_of(model, "good bad")] == ["good | bad | good bad"]
    assert strongest_words(model, 3) == {}


def test_the_strongest_words_of_each_class() -> None:
    found = strongest_words(WORDS, 1)
    assert {name: [word.word for word in words] for name, words in found.items()} == {
        "negative": ["bad"],
        "positive": ["good"],
    }
