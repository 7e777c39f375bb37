"""Which titles may be among a user's best: an exact search that need not look at the whole catalogue.

A score is at most |title| * |user| (Cauchy, Schwarz). Titles are kept longest first: their head is scored for
everybody, and its best say how short a title cannot be among them any more; the rest is scored for each user down to
there (Teflioudi, Gemulla 2016 prune by length likewise). Catalogues have few long titles and many short ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lambda_arch.recommend_model import RecommendModel

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

HEAD = 1024  # titles that are scored for everybody
_HEAD_TOGETHER = 256  # users: their scores against the head are a megabyte, which a core's cache holds
_REST_TOGETHER = 128  # users: their scores against 20,000 titles are ten megabytes
_DEPTH = 16  # titles per chunk
_LOWEST = float(np.finfo(np.float32).min)


class Search:
    """The search for a block of users, float64 [users, traits], whose `seen` rows are left out.

    Products in float32 only choose candidates: all that may be among the best, whatever the rounding, which moves a
    product by at most traits * 2**-24 * |title| * |user| (Higham 2002, section 3.1).
    """

    def __init__(self, model: RecommendModel, users: Floats, seen: Sequence[Sequence[int] | Rows], count: int) -> None:
        self._titles, self._count = model.longest_first, count
        self._users, self._lengths = users.astype(np.float32), np.linalg.norm(users, axis=1)
        longest = self._titles.lengths.max(initial=0.0)
        self._unsure = (users.shape[1] + 2) * float(np.finfo(np.float32).eps) * longest * self._lengths
        # No score below it is among the user's best: at least `count` titles are above.
        self._bound = np.full(len(users), _LOWEST)
        self._seen = [self._titles.place[np.asarray(rows, dtype=np.intp)] for rows in seen]
        # One buffer: fresh pages for every product would cost as much as the product.
        head, rest = (min(len(users), together) for together in (_HEAD_TOGETHER, _REST_TOGETHER))
        self._buffer = np.empty(max(head * HEAD, rest * len(self._titles.rows)), dtype=np.float32)

    def candidates(self) -> tuple[Rows, Rows]:
        """(user, row) of all titles that may be among a user's best `count`."""
        head, everybody = min(HEAD, len(self._titles.rows)), np.arange(len(self._users))
        found = [self._look(who, 0, head) for who in _parts(everybody, _HEAD_TOGETHER)]
        reach = self._reach()
        further = np.flatnonzero(reach > head)
        further = further[np.argsort(reach[further], kind="stable")]
        found += [self._look(who, head, int(reach[who[-1]])) for who in _parts(further, _REST_TOGETHER)]
        users, rows = zip(*found, strict=True)
        return np.concatenate(users), np.concatenate(rows)

    def _reach(self) -> Rows:
        """How many titles, longest first, are long enough to be among each user's best."""
        with np.errstate(over="ignore"):  # a user of no length at all is asked about every title
            least = self._bound / np.maximum(self._lengths, np.finfo(np.float64).tiny)
        return np.asarray(np.searchsorted(-self._titles.lengths, -least, side="right"), dtype=np.intp)

    def _look(self, who: Rows, begin: int, end: int) -> tuple[Rows, Rows]:
        """Score some titles for some users: (user, row) of those above the bound, which is raised."""
        shape = len(who), end - begin
        out = self._buffer[: shape[0] * shape[1]].reshape(shape)
        scores = np.matmul(self._users[who], self._titles.traits[begin:end].T, out=out)
        seen = [self._seen[user] for user in who]
        places, lines = np.concatenate(seen), np.repeat(np.arange(len(who)), [len(own) for own in seen])
        inside = (places >= begin) & (places < end)
        scores[lines[inside], places[inside] - begin] = -np.inf
        line, column = self._above(scores, who)
        return who[line], self._titles.rows[begin + column]

    def _above(self, scores: NDArray[np.float32], who: Rows) -> tuple[Rows, Rows]:
        """Line and column of the scores above the bound; those at -inf never are.

        The `count`-th best of the maxima of chunks of titles bounds it from below, and most chunks lie below it whole.
        """
        titles = scores.shape[1]
        depth = max(1, min(_DEPTH, titles // (4 * self._count)))
        width = titles // depth
        maxima = scores[:, : depth * width].reshape(len(scores), depth, width).max(axis=1)
        if width >= self._count:
            worst = np.partition(maxima, width - self._count, axis=1)[:, width - self._count]
            self._bound[who] = np.maximum(self._bound[who], worst - self._unsure[who])
        bound = self._bound[who].astype(np.float32)
        line, chunk = np.divmod(np.flatnonzero(maxima >= bound[:, None]), width)
        members = scores[line[:, None], chunk[:, None] + width * np.arange(depth)]
        hit, place = np.divmod(np.flatnonzero(members >= bound[line][:, None]), depth)
        rest, column = np.nonzero(scores[:, depth * width :] >= bound[:, None])
        columns = np.concatenate((chunk[hit] + width * place, depth * width + column))
        return np.concatenate((line[hit], rest)), columns


def _parts(rows: Rows, size: int) -> Iterator[Rows]:
    return (rows[begin : begin + size] for begin in range(0, len(rows), size))
