"""Which of the titles that came up since the night one viewer is offered, under the rules of a placement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lambda_arch.scoring import fold_in
from lambda_arch.shortlist import weighed
from lambda_arch.tiles import Seen
from serving.newcomers import Newcomers
from serving.rules.book import Book
from serving.rules.filters import Terms, hidden, removals
from serving.values import named


def offered(
    found: Newcomers, book: Book, asked: Terms, taste: Sequence[Seen], seen: Iterable[str], shown: Iterable[str],
    now: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """The best of the new titles by the viewer's vector times each title's; none that is not above 0, seen or shown.

    Empty for a viewer of whom the model knows nothing. `now` in microseconds.
    """
    model = found.models.recommend
    user = fold_in(model, taste) if model and found.titles else None
    if model is None or user is None:
        return []
    shelf = found.shelf(book)
    barred = hidden(shelf, removals(shelf, asked, seen, now)) | shelf.among(shown)
    scores = weighed(found.vectors @ user, shelf.weights(asked.name, asked.placement))
    order = np.argsort(-scores, kind="stable").tolist()
    best = [row for row in order if scores[row] > 0 and not barred[row]][: asked.wish.new]
    return [
        {
            **named(found.titles[row], found.models), "score": round(float(scores[row]), 6),
            "viewers": found.viewers[row], "content": found.titles[row] in model.row,
        }
        for row in best
    ]  # fmt: skip
