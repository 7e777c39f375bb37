"""Recommenders as others make them: the `implicit` package's ALS, and EASE. Each knows (viewers, titles) ratings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from batch.measures.answers import ndcg
from benchmarks.viewers import last_fifth
from lambda_arch.tiles import MILLION

CUT = 10
STARS = 5
ITERATIONS = 15
Floats = NDArray[np.float64]

Rival = Callable[[sp.csr_matrix], Floats]


class Watched(NamedTuple):
    """Who rated what: sparse `stars` [viewers, titles], 0.5 to 5."""

    viewers: pd.Index
    titles: NDArray[Any]
    stars: sp.csr_matrix


class Chosen(NamedTuple):
    """The settings, in words, and the recommender that has them."""

    settings: str
    rival: Rival


def watched(seen: pd.DataFrame) -> Watched:
    """(user_id, title_id, strength) as a matrix."""
    user, title = (seen[name].astype("category").cat for name in ("user_id", "title_id"))
    stars = seen["strength"].to_numpy(np.float64) / MILLION * STARS
    return Watched(user.categories, title.categories.to_numpy(), sp.csr_matrix((stars, (user.codes, title.codes))))


def chosen(candidates: Mapping[str, Rival], known: pd.DataFrame) -> Chosen:
    """The candidate that ranks everyone's last fifth of what is known best, trained on the rest of it."""
    early, late = last_fifth(known)
    found = {name: float(ndcg_of(rival, early, late).mean()) for name, rival in candidates.items()}
    best = max(found, key=lambda name: found[name])
    return Chosen(best, candidates[best])


def ndcg_of(rival: Rival, early: pd.DataFrame, late: pd.DataFrame) -> Floats:
    """nDCG@10 of what each viewer saw later, in the order of the viewers' names; titles already seen excluded."""
    known = watched(early)
    scores = rival(known.stars)
    scores[known.stars.nonzero()] = -np.inf
    best = known.titles[np.argsort(-scores, axis=1, kind="stable")[:, :CUT]]
    wanted = late.groupby("user_id")["title_id"].agg(list)
    rows = known.viewers.get_indexer(wanted.index)
    return np.array([ndcg(list(best[row]), titles) for row, titles in zip(rows, wanted, strict=True)])


def implicit_als() -> dict[str, Rival]:
    """The grid of the `implicit` package's ALS, by settings in words."""
    return dict(_implicit_als())


def _implicit_als() -> Iterator[tuple[str, Rival]]:
    for factors, weights, alpha, reg in product((64, 128), ("stars", "ones"), (1.0, 2.0), (10.0, 30.0)):
        settings = (
            f"{factors} factors, confidence {alpha:g} × {weights}, regularization {reg:g}, {ITERATIONS} iterations"
        )
        yield settings, _als(weights == "stars", factors=factors, alpha=alpha, regularization=reg)


def _als(stars: bool, **settings: Any) -> Rival:
    def scores(known: sp.csr_matrix) -> Floats:
        # implicit warns of BLAS threads beside its own, and is slow with them.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(**settings, iterations=ITERATIONS, random_state=1, num_threads=1)
            model.fit((known if stars else known.sign()).astype(np.float32), show_progress=False)
        return np.asarray(model.user_factors @ model.item_factors.T, dtype=np.float64)

    return scores


def ease_grid() -> dict[str, Rival]:
    """The grid of EASE, by settings in words."""
    return {f"λ = {reg}": ease(reg) for reg in (100, 200, 400, 800)}


def ease(reg: float) -> Rival:
    """EASE (Steck 2019) on who saw what: scores X B, B = I - P / diag(P) with P = (XᵀX + λI)⁻¹.

    P = (I - Xᵀ (XXᵀ + λI)⁻¹ X) / λ, so with fewer viewers than titles nothing of titles by titles is needed.
    """

    def scores(known: sp.csr_matrix) -> Floats:
        seen = known.sign()
        across = np.linalg.solve((seen @ seen.T).toarray() + reg * np.eye(seen.shape[0]), seen.toarray())
        diagonal = (1 - np.asarray(seen.multiply(across).sum(axis=0)).ravel()) / reg
        return np.asarray(seen.toarray() - across / diagonal)

    return scores
