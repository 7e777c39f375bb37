"""Text -> tokens: one function for training, the night and the speed layer."""

from __future__ import annotations

import re
import zlib
from itertools import pairwise

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[.,;:!?()\"]")
_NEGATION = frozenset(
    (
        "not",
        "no",
        "never",
        "nor",
        "neither",
        "without",
        "hardly",
        "cannot",
        "nothing",
        "none",
        "barely",
        "lacks",
        "lack",
    )
)
_PUNCTUATION = frozenset('.,;:!?()"')
_REACH = 3


def words(text: str) -> list[str]:
    """Lower-case words; up to three words after a negation carry `not_` (Pang, Lee, Vaithyanathan 2002)."""
    found, negated = [], 0
    for word in _WORD.findall(text.lower().replace("’", "'")):
        if word in _PUNCTUATION:
            negated = 0
            continue
        found.append(f"not_{word}" if negated else word)
        negated = _REACH if word in _NEGATION or word.endswith("n't") else max(0, negated - 1)
    return found


def tokens(text: str, buckets: int = 0) -> list[str]:
    """Distinct uni- and bigrams, in order of appearance (presence, not counts).

    With `buckets` above 0 the numbers that they are hashed to instead (Weinberger et al. 2009): a vocabulary that
    cannot outgrow memory, at the price of collisions.
    """
    unigrams = words(text)
    grams = [*unigrams, *map(" ".join, pairwise(unigrams))]
    return list(dict.fromkeys((hashed(gram, buckets) for gram in grams) if buckets else grams))


def hashed(gram: str, buckets: int) -> str:
    """The number that a token is hashed to."""
    # Python's own hash differs from one process to the next.
    return str(zlib.crc32(gram.encode()) % buckets)
