"""What a recommender must beat: lists that need no model."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lambda_arch.models import RecommendModel
from lambda_arch.tiles import Seen


class RecommendBaselines(msgspec.Struct, frozen=True):
    """Titles by popularity, best first."""

    popular: list[str]

    def lists(self, history: Sequence[Seen], count: int) -> dict[str, list[str]]:
        """The best `count` titles not in the history, by the name of the baseline."""
        seen = {entry.title for entry in history}
        best = self.popular[: len(seen) + count]
        return {"popular": [title for title in best if title not in seen][:count]}


def recommend_baselines(model: RecommendModel) -> RecommendBaselines:
    """The baselines by what the model was trained on."""
    return RecommendBaselines([model.titles[row] for row in model.popular])
