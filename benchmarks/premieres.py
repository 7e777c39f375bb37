"""A stream in which titles come up: whom each is offered to, as vectors renewed every few views would have it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lambda_arch.new_titles import VIEWERS
from lambda_arch.newcomers import newcomer_vectors
from lambda_arch.ranking import fold_in_many
from lambda_arch.recommend_model import RecommendModel
from lambda_arch.search import Floats
from lambda_arch.tiles import Seen

RENEWED = 100  # views between two renewals of the vectors
CUT = 10


class View(NamedTuple):
    """A view of a new title, and all that its viewer had seen before, newest first."""

    viewer: str
    title: str
    history: Sequence[Seen]


class Judged(NamedTuple):
    """A view of a title that had `viewers` before: by who answers, how the title stood among all new ones.

    `places` are (found among the first ten, nDCG@10, share of the others below it); `against`, the share of other
    viewers to whom the title's vector gives less.
    """

    viewer: str
    viewers: int
    places: Mapping[str, tuple[float, float, float]]
    against: Mapping[str, float]


def judged(model: RecommendModel, views: Sequence[View]) -> Iterator[Judged]:
    """The views in their order, each by what those before its renewal tell: content, popularity, both of them.

    Views of titles without a viewer so far, and by viewers of whom nothing is known, are not judged.
    """
    titles = sorted({view.title for view in views})
    users = fold_in_many(model, [view.history for view in views])[:, : model.factors.shape[1]]
    content, row = model.content(titles), {title: number for number, title in enumerate(titles)}
    others = _one_each(views, users)
    told: list[dict[str, Floats]] = [{} for _ in titles]
    seen: dict[str, set[int]] = defaultdict(set)
    for first in range(0, len(views), RENEWED):
        counts = np.array([len(viewers) for viewers in told])
        vectors = {"ours": _vectors(content, told), "content": content}
        for view, user in zip(views[first : first + RENEWED], users[first : first + RENEWED], strict=True):
            title = row[view.title]
            there = np.array([one for one in np.flatnonzero(counts) if one not in seen[view.viewer]], dtype=np.intp)
            if title in there and len(there) > CUT and not np.isnan(user[0]):
                scores = {name: of[there] @ user for name, of in vectors.items()} | {"popular": counts[there]}
                yield Judged(
                    view.viewer,
                    int(counts[title]),
                    {name: _place(of, int(np.searchsorted(there, title))) for name, of in scores.items()},
                    {name: float(np.mean(others @ of[title] < user @ of[title])) for name, of in vectors.items()},
                )
            seen[view.viewer].add(title)
        for view, user in zip(views[first : first + RENEWED], users[first : first + RENEWED], strict=True):
            if not np.isnan(user[0]):
                told[row[view.title]][view.viewer] = user


def _vectors(content: Floats, told: Sequence[Mapping[str, Floats]]) -> Floats:
    """Each title's vector by its newest viewers, as they were when they saw it."""
    usual = {viewer: user for viewers in told for viewer, user in viewers.items()}
    rank = content.shape[1]
    own = [np.array(list(viewers.values())[-VIEWERS:]).reshape(-1, rank) for viewers in told]
    return newcomer_vectors(content, own, np.array(list(usual.values())).reshape(-1, rank))


def _one_each(views: Sequence[View], users: Floats) -> Floats:
    """A vector of every viewer of whom something is known."""
    first = {view.viewer: user for view, user in zip(views, users, strict=True) if not np.isnan(user[0])}
    return np.array(list(first.values()))


def _place(scores: Floats, own: int) -> tuple[float, float, float]:
    """Of equal scores half are before."""
    before = np.sum(scores > scores[own]) + (np.sum(scores == scores[own]) - 1) / 2
    found = float(before < CUT)
    return found, found / float(np.log2(before + 2)), 1 - float(before) / (len(scores) - 1)
