"""What a classifier of feelings must beat: the most common class, and a lexicon that nobody trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

# Of the compound score, as its authors advise.
LEANS = 0.05


def sentiment_baselines(shares: Mapping[str, float], texts: Sequence[str]) -> dict[str, list[str]]:
    """Each text's feeling by the name of the baseline; `shares` are of the classes that there are."""
    usual = max(shares, key=lambda feeling: shares[feeling])
    undecided = "neutral" if "neutral" in shares else usual
    return {"majority": [usual] * len(texts), "vader": [vader(text, undecided) for text in texts]}


def vader(text: str, undecided: str) -> str:
    """Positive, negative, or what is said of a text that leans to neither (Hutto, Gilbert 2014)."""
    score = _analyzer().polarity_scores(text)["compound"]
    if abs(score) < LEANS:
        return undecided
    return "positive" if score > 0 else "negative"


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()
