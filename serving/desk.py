"""Where the addresses ask: the answers, and the metrics that count them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request

from lambda_arch.records import UseCase
from serving.answers import Answers
from serving.metrics import Metrics
from serving.replies import fields


class Desk:
    """Where questions are asked: the answers and the metrics that count them."""

    def __init__(self, answers: Answers, metrics: Metrics) -> None:
        self.answers, self.metrics = answers, metrics

    async def ask(self, use_case: UseCase, entity: str) -> dict[str, Any]:
        """The answer's fields; raises StoreError where the store is away."""
        answer = await self.answers.answer(use_case, entity)
        self.metrics.count(answer)
        return fields(answer)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


# An id may hold any character, a slash too: hence `:path` in the addresses.
Id = Annotated[str, Path(min_length=1, max_length=128)]
AtDesk = Annotated[Desk, Depends(_desk)]
