"""Vectors of titles that came up since the night: from their content, and from who saw them so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lambda_arch.search import Floats

# Chosen on splits before those that are judged (docs/decisions/0018-new-titles-in-the-stream.md).
CROWD, RIDGE = 200.0, 0.15


def newcomer_vectors(content: Floats, viewers: Sequence[Floats], usual: Floats) -> Floats:
    """The titles' vectors, float64 [titles, rank], solved exactly.

    `content` [titles, rank] is what their content says, m, zeros where that is not known; of each title `viewers` [k,
    rank] are the vectors of those who saw it, and `usual` [n, rank] those of any viewers. The y that minimises

        sum over k of (1 - x·y)² + CROWD * mean over n of (x·y - x·m)² + RIDGE * |y - m|²

    is the item side of implicit ALS (Hu, Koren, Volinsky 2008) around m: as if so many usual viewers had done no more
    than the content says. Without viewers it is m.
    """
    solved = content.copy()
    regular = CROWD * (usual.T @ usual) / max(1, len(usual)) + RIDGE * np.eye(content.shape[1])
    for place, own in enumerate(viewers):
        if len(own):
            solved[place] += np.linalg.solve(regular + own.T @ own, own.T @ (1 - own @ content[place]))
    return solved
