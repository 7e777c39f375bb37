"""Baselines of feelings: what needs no training."""

from __future__ import annotations

from batch.feelings.lexicon import sentiment_baselines

TEXTS = ["a wonderful, brilliant film", "dreadful and boring", "a film"]


def test_the_lexicon_leaves_what_leans_to_neither_to_the_usual_class() -> None:
    told = sentiment_baselines({"negative": 0.6, "positive": 0.4}, TEXTS)
    assert told == {"majority": ["negative"] * 3, "vader": ["positive", "negative", "negative"]}


def test_with_three_classes_what_leans_to_neither_is_neutral() -> None:
    told = sentiment_baselines({"negative": 0.2, "neutral": 0.3, "positive": 0.5}, TEXTS)
    assert told == {"majority": ["positive"] * 3, "vader": ["positive", "negative", "neutral"]}
