"""What segments are called: numbers that last from night to night, and names of what sets each apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from batch.customers.feature_vectors import Floats
from lambda_arch.models import SegmentModel, Trait

TRAITS = 5
STILL_TRUE = 0.25  # standard deviations from everybody's mean at which "more" and "less" still may be said


@dataclass(frozen=True)
class Centres:
    """Tonight's centres [k, features] in scaled features, what scales them, and how many viewers each has."""

    features: list[str]
    mean: Floats
    scale: Floats
    centres: Floats
    sizes: NDArray[np.int64]


@dataclass(frozen=True)
class Lasting:
    """Tonight's centres in the order of their numbers: `order` has their rows; `given`: numbers ever given."""

    order: list[int]
    numbers: list[int]
    names: list[str]
    traits: list[list[Trait]]
    given: int


def lasting(tonight: Centres, previous: SegmentModel | None) -> Lasting:
    """Numbers and names; those of `previous` for the segments that it had. New numbers go by size, largest first."""
    kept = matched(tonight, previous) if previous else {}
    given = previous.given if previous else 0
    new = [row for row in np.argsort(-tonight.sizes, kind="stable").tolist() if row not in kept]
    numbers = {**kept, **{row: given + place for place, row in enumerate(new)}}
    order = sorted(numbers, key=numbers.__getitem__)
    old = {row: previous.names[previous.row[number]] for row, number in kept.items()} if previous else {}
    names = _names(tonight, old)
    return Lasting(
        order=order,
        numbers=[numbers[row] for row in order],
        names=[names[row] for row in order],
        traits=[_traits(tonight, row) for row in order],
        given=given + len(new),
    )


def matched(tonight: Centres, previous: SegmentModel) -> dict[int, int]:
    """Number by row of the centres that are segments of `previous`: one to one, at the least distance in all.

    Distances are between the centres in the features both have, in tonight's deviations. A pair is one segment where
    the two are nearer to each other than either is to its next neighbour of the same night.
    """
    common = [name for name in tonight.features if name in previous.features]
    ours = [tonight.features.index(name) for name in common]
    theirs = [previous.features.index(name) for name in common]
    before = (previous.centres * previous.scale + previous.mean)[:, theirs]
    then, now = (before - tonight.mean[ours]) / tonight.scale[ours], tonight.centres[:, ours]
    apart = np.linalg.norm(now[:, None] - then[None], axis=2)
    limits = np.minimum(_next_neighbours(now)[:, None], _next_neighbours(then)[None])
    pairs = zip(*linear_sum_assignment(apart), strict=True)
    return {int(row): previous.numbers[old] for row, old in pairs if apart[row, old] < limits[row, old]}


def _next_neighbours(centres: Floats) -> Floats:
    """The distance of each to the nearest other."""
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1), dtype=np.float64)


def _names(tonight: Centres, old: dict[int, str]) -> dict[int, str]:
    """A name per row, all distinct: the old one where it is still true, otherwise as many traits as it takes."""
    kept = {row: name for row, name in old.items() if set(name.split(", ")) <= set(_true(tonight, row))}
    names = dict(kept)
    for row in range(len(tonight.centres)):
        if row in kept:
            continue
        taken = {name for other, name in names.items() if other != row}
        names[row] = _first_free(_said(tonight, row), taken)
    return names


def _first_free(said: Sequence[str], taken: set[str]) -> str:
    for count in range(2, len(said) + 1):
        if (name := ", ".join(said[:count])) not in taken:
            return name
    return f"{', '.join(said)} ({len(taken) + 1})"


def _furthest(tonight: Centres, row: int) -> list[int]:
    """The features by how far the centre is from everybody, furthest first."""
    found: list[int] = np.argsort(-np.abs(tonight.centres[row]), kind="stable").tolist()
    return found


def _said(tonight: Centres, row: int) -> list[str]:
    return [_claim(tonight, row, place) for place in _furthest(tonight, row)]


def _true(tonight: Centres, row: int) -> list[str]:
    """What may be said of the segment."""
    far = [place for place in _furthest(tonight, row) if abs(tonight.centres[row, place]) >= STILL_TRUE]
    return [_claim(tonight, row, place) for place in far]


def _claim(tonight: Centres, row: int, place: int) -> str:
    return f"{'more' if tonight.centres[row, place] > 0 else 'less'} {_words(tonight.features[place])}"


def _words(feature: str) -> str:
    kind, _, argument = feature.partition(":")
    return {"mean": f"{argument} on average", "count": f"{argument} events"}.get(kind, argument or kind)


def _traits(tonight: Centres, row: int) -> list[Trait]:
    means = tonight.centres[row] * tonight.scale + tonight.mean
    return [
        Trait(tonight.features[place], round(float(means[place]), 6), round(float(tonight.mean[place]), 6))
        for place in _furthest(tonight, row)[:TRAITS]
    ]
