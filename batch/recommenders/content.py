"""Titles that nobody has seen get their factors from what the catalogue says of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row
from sklearn.feature_extraction.text import TfidfVectorizer

from lambda_arch.recommend_model import RecommendModel

RIDGE = 10.0
LEAST_TITLES = 2  # a term of a single title tells nothing of another
MOST_TERMS = 500  # of a kind: the commonest

_WORD = re.compile(r"\w\w+")
Array = NDArray[Any]


def with_unseen(model: RecommendModel | None, titles: DataFrame) -> RecommendModel | None:
    """The model with those of the catalogue's titles (TITLE) that it lacks, last in popularity.

    Their factors are what a title of such content has on average: a ridge regression from genres, decade, talents,
    brand and plot (TF-IDF) onto the factors of all that was seen. So their length is that of a title with few viewers,
    and a new title is not put above those that proved themselves (Gantner et al. 2010 map attributes to factors
    likewise). A title that shares no term with another is left out.
    """
    if model is None:
        return None
    catalogue = titles.select("title_id", "year", "genres", "talents", "brand", "plot").orderBy("title_id").collect()
    content, row = content_vectors(catalogue), model.row
    told = np.asarray(content.getnnz(axis=1) > 0)
    seen = [place for place, title in enumerate(catalogue) if title.title_id in row]
    unseen = [place for place, title in enumerate(catalogue) if title.title_id not in row and told[place]]
    if not (seen and unseen):
        return model
    known = model.factors[[row[catalogue[place].title_id] for place in seen]]
    found = regressed(content[seen], known, content[unseen])
    return msgspec.structs.replace(
        model,
        titles=[*model.titles, *(catalogue[place].title_id for place in unseen)],
        factors=np.concatenate((model.factors, found.astype(np.float32))),
        popular=[*model.popular, *range(len(model.titles), len(model.titles) + len(unseen))],
        recent=None if model.recent is None else np.pad(model.recent, (0, len(unseen))),
        placed=len(unseen),
    )


def content_vectors(catalogue: Sequence[Row]) -> sp.csr_matrix:
    """TF-IDF of genres, decade, talents, brand and the plot's words, each kind of length 1 or 0, [titles, terms]."""
    kinds = [
        [[] if title.year is None else [str(title.year // 10)] for title in catalogue],
        [list(title.genres or ()) for title in catalogue],
        [list(title.talents or ()) for title in catalogue],
        [[title.brand] if title.brand else [] for title in catalogue],
        [_WORD.findall((title.plot or "").lower()) for title in catalogue],
    ]
    vectors = [_tf_idf(texts) for texts in kinds]
    return sp.hstack([sp.csr_matrix((len(catalogue), 0)), *vectors], format="csr")


def regressed(content: sp.csr_matrix, factors: Array, asked: sp.csr_matrix) -> Array:
    """The factors of the content asked for, by a ridge regression with an intercept on those that are known."""
    known, wanted = (sp.hstack([np.ones((part.shape[0], 1)), part], format="csr") for part in (content, asked))
    system = (known.T @ known).toarray() + RIDGE * np.eye(known.shape[1])
    weights = np.linalg.solve(system, known.T @ factors.astype(np.float64))
    return np.asarray(wanted @ weights)


def _tf_idf(texts: Sequence[list[str]]) -> sp.csr_matrix:
    titles = Counter(term for text in texts for term in set(text))
    common = sorted((-count, term) for term, count in titles.items() if count >= LEAST_TITLES)
    terms = sorted(term for _, term in common[:MOST_TERMS])
    if not terms:
        return sp.csr_matrix((len(texts), 0))
    vectors = TfidfVectorizer(analyzer=list, lowercase=False, vocabulary=terms, sublinear_tf=True).fit_transform(texts)
    return sp.csr_matrix(vectors)
