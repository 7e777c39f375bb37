"""How far two layers' answers are from each other, per use case; 1 is the same answer, whatever the use case.

The speed layer's last answers before a night are held against that night's batch answers: where both know the same
events, what is left is what the night's new models and exact profiles changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lambda_arch.records import UnknownSchemaError, UseCase

SCHEMA = 1
PERSISTENCE = 0.9  # of rank-biased overlap: the first ten titles have 86 % of the weight
AGREEMENTS: dict[UseCase, str] = {
    "recommend": "rank-biased overlap (p = 0.9) of both lists",
    "segment": "share of users whose segment did not change",
    "churn": "1 less the difference of both probabilities",
    "sentiment": "1 less the difference of both shares of positive posts",
}


class Agreed(msgspec.Struct, frozen=True):
    """A use case's mean agreement over entities, its standard error (None below two), and how many there were.

    `ahead` were left out: the speed layer's record had seen an event after the horizon, which no night could know.
    """

    value: float | None
    standard_error: float | None
    cases: int
    ahead: int


class Agreement(msgspec.Struct, frozen=True):
    """What one generation's batch answers are to the speed layer's last of the generation before, by use case."""

    generation: int
    former: int
    use_cases: dict[UseCase, Agreed]
    schema: int = SCHEMA


def agreement_of(use_case: UseCase, one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How much two values of a use case agree, 0 to 1; raises KeyError or TypeError for what is no such value."""
    return _BY_USE_CASE[use_case](one, other)


def rank_biased_overlap(one: Sequence[str], other: Sequence[str], persistence: float = PERSISTENCE) -> float:
    """Overlap of two rankings, the top first, extrapolated beyond what is listed; 0 to 1.

    RBO_EXT of Webber, Moffat, Zobel (2010), A similarity measure for indefinite rankings, equation 32: for lists of
    different lengths too. Two empty lists are the same.
    """
    short, long = sorted((list(dict.fromkeys(one)), list(dict.fromkeys(other))), key=len)
    if not short:
        return 0.0 if long else 1.0
    overlaps = _overlaps(short, long)
    s, length, p = len(short), len(long), persistence
    at_s, at_l = overlaps[s - 1], overlaps[length - 1]
    listed = sum(overlap / depth * p**depth for depth, overlap in enumerate(overlaps, 1))
    beyond = sum(at_s * (depth - s) / (s * depth) * p**depth for depth in range(s + 1, length + 1))
    return (1 - p) / p * (listed + beyond) + ((at_l - at_s) / length + at_s / s) * p**length


def _overlaps(short: Sequence[str], long: Sequence[str]) -> list[int]:
    """How many titles both lists have in their first 1, 2, … places."""
    seen_short, seen_long, common, found = set[str](), set[str](), 0, []
    for place, title in enumerate(long):
        seen_long.add(title)
        if place < len(short):
            seen_short.add(short[place])
            common += short[place] in seen_long and short[place] != title
        common += title in seen_short
        found.append(common)
    return found


_decoder = msgspec.json.Decoder(Agreement)


def decode_agreement(stored: bytes) -> Agreement:
    """The agreement of stored JSON; raises UnknownSchemaError for a schema of another release."""
    found = _decoder.decode(stored)
    if found.schema != SCHEMA:
        raise UnknownSchemaError(f"agreement of schema {found.schema}, this release reads {SCHEMA}: upgrade first")
    return found


_BY_USE_CASE: dict[UseCase, Callable[[Mapping[str, Any], Mapping[str, Any]], float]] = {
    "recommend": lambda one, other: rank_biased_overlap(one["titles"], other["titles"]),
    "segment": lambda one, other: float(one["segment"] == other["segment"]),
    "churn": lambda one, other: 1.0 - abs(one["probability"] - other["probability"]),
    "sentiment": lambda one, other: 1.0 - abs(one["positive"] - other["positive"]),
}
