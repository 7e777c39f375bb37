"""Where the addresses ask: the answers, and the metrics that count them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response

from lambda_arch.records import UseCase
from serving.answers import Answer, Answers
from serving.metrics import Metrics
from serving.replies import fields, sent, told


class Desk:
    """Where questions are asked: the answers and the metrics that count them."""

    def __init__(self, answers: Answers, metrics: Metrics) -> None:
        self.answers, self.metrics = answers, metrics

    async def answer(self, use_case: UseCase, entity: str) -> Answer:
        """The answer, counted; raises StoreError where the store is away."""
        answer = await self.answers.answer(use_case, entity)
        self.metrics.count(answer)
        return answer

    async def ask(self, use_case: UseCase, entity: str) -> dict[str, Any]:
        """The answer's fields; raises StoreError where the store is away."""
        return fields(await self.answer(use_case, entity))

    async def reply(self, use_case: UseCase, entity: str) -> Response:
        """The answer as it goes out; raises StoreError where the store is away."""
        return sent(told(await self.answer(use_case, entity)))


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


# An id may hold any character, a slash too: hence `:path` in the addresses.
Id = Annotated[str, Path(min_length=1, max_length=128)]
AtDesk = Annotated[Desk, Depends(_desk)]
