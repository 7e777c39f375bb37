"""What a text feels: a linear model of its distinct tokens, with two classes or three."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from lambda_arch.model_bytes import decode_models, encode_models
from lambda_arch.models import Models, SentimentModel
from lambda_arch.posts import PostTile
from lambda_arch.scoring import feeling, feeling_probabilities, post_tile
from lambda_arch.text import tokens

THREE = SentimentModel(
    name="three", version=1, vocabulary=["good", "bad", "seen"], prior=np.array([0.0, 0.5, 0.0]),
    weights=np.array([[-2.0, 0.0, 2.0], [2.0, 0.0, -2.0], [0.0, 0.0, 0.0]]),
    classes=["negative", "neutral", "positive"], shares=[0.3, 0.4, 0.3],
)  # fmt: skip


def test_each_known_word_counts_once(small_models: Models) -> None:
    model = small_models.sentiment
    assert model is not None
    assert feeling_probabilities(model, "Good, good film")[1] == pytest.approx(1 / (1 + math.exp(-1)))
    assert feeling_probabilities(model, "unheard of").tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "felt"),
    [("a good film", "positive"), ("bad", "negative"), ("a film", "neutral"), ("good and bad", "neutral")],
)
def test_a_text_feels_what_is_most_probable(text: str, felt: str) -> None:
    assert feeling(THREE, text) == felt
    assert feeling_probabilities(THREE, text).sum() == pytest.approx(1)


def test_a_post_is_positive_where_that_is_the_most_probable_even_below_one_half() -> None:
    torn = msgspec.structs.replace(THREE, prior=np.log([0.3, 0.3, 0.4]))
    assert post_tile(torn, 7, "a film") == PostTile(1, 1, 400_000, 7, 7)
    assert post_tile(THREE, 7, "a film").positive == 0


def test_a_tie_is_not_positive_nor_is_a_post_without_a_model(small_models: Models) -> None:
    assert post_tile(small_models.sentiment, 7, "unheard of") == PostTile(1, 0, 500_000, 7, 7)
    assert post_tile(None, 7, "good") == PostTile(1, 0, 500_000, 7, 7)


def test_with_idf_the_text_s_vector_has_length_one() -> None:
    idf = np.array([1.0, 2.0, 2.0])
    scaled = msgspec.structs.replace(THREE, idf=idf, weights=THREE.weights * idf[:, None])
    expected = np.exp(THREE.prior + (THREE.weights[0] * 1 + THREE.weights[2] * 2) / math.sqrt(1 + 4))
    assert feeling_probabilities(scaled, "good seen") == pytest.approx(expected / expected.sum())
    common = msgspec.structs.replace(scaled, idf=np.zeros(3))
    assert np.isfinite(feeling_probabilities(common, "good")).all()


def test_hashed_tokens_are_as_many_as_there_are_buckets_and_the_same_everywhere() -> None:
    text = " ".join(f"word{number}" for number in range(500))
    assert set(tokens(text, 8)) == {str(bucket) for bucket in range(8)}
    assert tokens("not good", 1000) == ["293", "967", "56"]


def test_a_model_survives_its_encoding() -> None:
    scaled = msgspec.structs.replace(THREE, idf=np.ones(3))
    for model in (THREE, scaled):
        again = decode_models(encode_models(Models(generation=1, horizon=0, sentiment=model))).sentiment
        assert again is not None
        assert feeling_probabilities(again, "good seen").tolist() == feeling_probabilities(model, "good seen").tolist()
