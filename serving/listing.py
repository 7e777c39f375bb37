"""A list of titles under rules: what there is to choose from, what of it may be shown, in which order, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from lambda_arch.ranking import fold_in_many
from lambda_arch.search import Floats
from lambda_arch.shortlist import Flags, diversified, relevance, shortlist, weighed
from lambda_arch.tiles import Seen
from serving.fallback import CATALOGUE
from serving.rules.arrangement import pinned, spread
from serving.rules.filters import Terms, hidden, removals
from serving.rules.shelf import Rule, Shelf

POOL = 200  # titles among which variety and repeats choose
COMPUTED, PINNED = "computed", "pinned"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to choose from.

    `listed` are titles with their scores, best first, and `label` says whose list it is; `taste` is the history, newest
    first, that the list was made of, so that it can be gone on with; `rest` are further titles by their own labels.
    """

    listed: Sequence[tuple[str, float | None]] = ()
    label: str = COMPUTED
    taste: Sequence[Seen] = ()
    rest: Mapping[str, Sequence[str]] = {}


class Picked(msgspec.Struct, frozen=True):
    """A title that may be shown: its row, score and label."""

    row: int
    score: float | None
    label: str


class Listing(msgspec.Struct, frozen=True):
    """The titles that are shown, in order, those passed over left out, and how they came there.

    `steps` has the rows in the order after each step, `rules` all that removed something, `best` the rows that
    come first without any rule.
    """

    shown: list[Picked]
    steps: dict[str, list[int]]
    rules: list[Rule]
    best: list[int]


def listing(shelf: Shelf, asked: Terms, offer: Offer, seen: Iterable[str], now: int) -> Listing:
    """The list that a request gets, never empty while there is a title that may be shown; `now` in microseconds."""
    rules = removals(shelf, asked, seen, now)
    forbidden = hidden(shelf, rules)
    need = _need(asked)
    weights = shelf.weights(asked.name, asked.placement)
    picked = pool(shelf, offer, forbidden, weights, need, whole=not asked.wish.seen)
    steps = arranged(shelf, asked, picked, forbidden)
    last = list(steps.values())[-1]
    known = {one.row: one for one in picked}
    shown = [known.get(row, Picked(row, None, PINNED)) for row in last[asked.wish.offset : asked.wish.depth]]
    best = _without_rules(shelf, offer, need) if asked.wish.explain else []
    return Listing(shown, steps, rules, best)


def _need(asked: Terms) -> int:
    """How many titles the list is made of: more than are shown where some are moved, so that pages are of one list."""
    chooses = asked.diversity > 0 or asked.placement.repeats is not None
    lowest = max((pin.at for pin in asked.placement.pin), default=0) + len(asked.placement.pin)
    return max(asked.wish.depth, lowest, POOL if chooses else 0)


def pool(shelf: Shelf, offer: Offer, forbidden: Flags, weights: Floats, need: int, whole: bool = True) -> list[Picked]:
    """At least `need` titles that may be shown, best first, or all there are: the list, what goes on from it, the rest.

    The list is taken as it is where it is long enough, has all titles (`whole`) and no score is weighed.
    """
    listed = {shelf.row[title]: score for title, score in offer.listed if title in shelf.row}
    found = [Picked(row, score, offer.label) for row, score in listed.items() if not forbidden[row]]
    is_weighed = bool((weights != 1).any())
    if len(found) < need or is_weighed or not whole:
        found = _further(shelf, offer, forbidden, weights, need, set(listed)) or _reordered(found, weights)
    return _filled(shelf, offer, forbidden, weights, found, need)


def arranged(shelf: Shelf, asked: Terms, picked: Sequence[Picked], forbidden: Flags) -> dict[str, list[int]]:
    """The rows by step, in order after each; the last is what is shown."""
    rows, depth, repeats = [one.row for one in picked], asked.wish.depth, asked.placement.repeats
    steps = {"ranked": rows}
    if asked.diversity > 0:
        steps["diversity"] = rows = _varied(shelf, picked, asked.diversity, depth)
    if repeats:
        most = {kind: count for kind in ("genre", "brand") if (count := getattr(repeats, kind))}
        steps["repeats"] = rows = spread(rows, shelf.labels, most, repeats.within, depth)
    pins = {pin.at - 1: shelf.row[pin.title] for pin in asked.placement.pin if pin.title in shelf.row}
    allowed = {place: row for place, row in pins.items() if not forbidden[row]}
    if allowed:
        steps["pin"] = pinned(rows, allowed)
    return steps


def _varied(shelf: Shelf, picked: Sequence[Picked], diversity: float, depth: int) -> list[int]:
    """The rows by relevance and variety: of the titles with scores, if there are any, and always with factors."""
    is_scored = any(one.score is not None for one in picked)
    chosen = [one for one in picked if one.row < shelf.ranked and (one.score is not None or not is_scored)][:POOL]
    rows = [one.row for one in chosen]
    scores = np.array([np.nan if one.score is None else one.score for one in chosen])
    ahead = [rows[place] for place in diversified(relevance(scores), shelf.vectors(rows), diversity, depth).tolist()]
    return [*ahead, *(one.row for one in picked if one.row not in set(ahead))]


def _further(
    shelf: Shelf, offer: Offer, forbidden: Flags, weights: Floats, need: int, listed: set[int]
) -> list[Picked]:
    """The best titles by the taste, as far down as needed; none where the model does not know it."""
    model = shelf.models.recommend
    user = fold_in_many(model, [offer.taste])[0] if model and offer.taste else None
    if model is None or user is None or np.isnan(user[0]):
        return []
    best = shortlist(model, user, forbidden[: shelf.ranked], weights[: shelf.ranked], need)
    rows, scores = best.rows.tolist(), best.scores.round(6).tolist()
    labels = [offer.label if row in listed else COMPUTED for row in rows]
    return list(map(Picked, rows, scores, labels))


def _reordered(found: list[Picked], weights: Floats) -> list[Picked]:
    """A list with weighed scores; without scores the places are weighed."""
    if not found:
        return found
    scores = [1 / (1 + place) if one.score is None else one.score for place, one in enumerate(found)]
    moved = weighed(np.array(scores), weights[[one.row for one in found]])
    order = np.argsort(-moved, kind="stable").tolist()
    scored = [None if one.score is None else round(float(score), 6) for one, score in zip(found, moved, strict=True)]
    return [Picked(found[place].row, scored[place], found[place].label) for place in order]


def _filled(
    shelf: Shelf, offer: Offer, forbidden: Flags, weights: Floats, found: list[Picked], need: int
) -> list[Picked]:
    taken = {one.row for one in found}
    for label, titles in offer.rest.items():
        if len(found) >= need:
            return found
        rows = [row for row in dict.fromkeys(shelf.of(titles).tolist()) if not (forbidden[row] or row in taken)]
        found = [*found, *_reordered([Picked(row, None, label) for row in rows], weights)]
        taken.update(rows)
    if len(found) < need:
        left = (row for row in shelf.by_id.tolist() if not (forbidden[row] or row in taken))
        found = [*found, *_reordered([Picked(row, None, CATALOGUE) for row in left], weights)]
    return found


def _without_rules(shelf: Shelf, offer: Offer, need: int) -> list[int]:
    picked = pool(shelf, offer, shelf.none(), np.ones(len(shelf)), need)
    return [one.row for one in picked[:need]]
