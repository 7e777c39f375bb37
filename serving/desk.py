"""Where the addresses ask: the answers, the metrics that count them, the log that keeps a sample."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from msgspec import structs
from starlette.convertors import PathConvertor, register_url_convertor

from lambda_arch.records import UseCase
from serving.answers import Answer, Answers, View
from serving.decision_log import DecisionLog
from serving.entries import noted
from serving.explaining import Explainer
from serving.exposing import Exposing
from serving.metrics import Metrics
from serving.recommending import Recommended, Recommender
from serving.replies import fields, sent, told
from serving.rules.wish import Wish


class Desk:
    """Where questions are asked: the answers, lists of titles, the metrics that count them, the log of a sample."""

    def __init__(
        self, answers: Answers, metrics: Metrics, log: DecisionLog, recommender: Recommender, explainer: Explainer,
        exposing: Exposing,
    ) -> None:  # fmt: skip
        self.answers, self.metrics, self._log, self._exposing = answers, metrics, log, exposing
        self.recommender, self.explainer = recommender, explainer

    async def answer(self, use_case: UseCase, entity: str, shown: int | None = None) -> Answer:
        """The answer, counted; of a list the first `shown` are sent. Raises StoreError where the store is away."""
        view = await self.answers.view_for(use_case, entity)
        answer = self.answers.answer_of(view, use_case)
        titles = None if shown is None else [item["title_id"] for item in answer.value["items"][:shown]]
        self.note(view, answer, titles)
        return answer

    def note(self, view: View, answer: Answer, shown: Sequence[str] | None = None) -> None:
        """Count an answer that goes out, and log it where it is in the sample; `shown` are the titles of a list."""
        self.metrics.count(answer)
        if self._log.wants(answer.entity):
            self._log_of(view, answer.use_case, shown)

    def _log_of(self, view: View, use_case: UseCase, shown: Sequence[str] | None) -> None:
        """Log what is decided of a view: the whole list, whatever of it is shown."""
        answers, top_n = self.answers, self.answers.top_n
        taken, policy = answers.assigned(use_case, view.entity), answers.policy(use_case, view.entity)
        decided = answers.answer_of(view, use_case, policy)
        self._log.note(noted(view.by(policy, use_case), decided, policy, top_n, shown=shown, arms=taken.arms))
        for experiment, arm, changes in taken.shadows:
            policy, hidden = answers.shadow(view, use_case, changes)
            seen = view.by(policy, use_case)
            self._log.note(noted(seen, hidden, policy, top_n, shown=None, arms={experiment: arm}, shadow=True))

    async def close(self) -> None:
        """Send what waits to be logged, and close the connections."""
        await self._exposing.close()
        await asyncio.to_thread(self._log.close)
        await self.answers.close()

    async def recommended(self, user_id: str, wish: Wish) -> Answer:
        """What a viewer is recommended, counted; raises WishError, and StoreError where the store is away."""
        return self._recommended(await self.recommender.of_user(user_id, self._wish_of(user_id, wish)))

    async def recommended_to(self, user_ids: Sequence[str], wish: Wish) -> list[Answer]:
        """The same for many, in their order, read in one round trip for all whom the same rules apply to."""
        by_wish: dict[Wish, list[int]] = {}
        for place, user_id in enumerate(user_ids):
            by_wish.setdefault(self._wish_of(user_id, wish), []).append(place)
        asked = [self.recommender.of_users([user_ids[place] for place in by_wish[own]], own) for own in by_wish]
        places = [place for own in by_wish.values() for place in own]
        found = [one for some in await asyncio.gather(*asked) for one in some]
        in_order = dict(zip(places, found, strict=True))
        return [self._recommended(in_order[place]) for place in range(len(user_ids))]

    def _wish_of(self, user_id: str, wish: Wish) -> Wish:
        """The wish by the placement of the viewer's arm, where none is named."""
        placement = self.answers.assigned("recommend", f"u:{user_id}").placement
        return structs.replace(wish, placement=placement) if placement and wish.placement is None else wish

    def _recommended(self, found: Recommended) -> Answer:
        self.metrics.removed(found.removed)
        if found.exposure:
            self._exposing.note(found.exposure)
        self.note(found.view, found.answer, [item["title_id"] for item in found.answer.value["items"]])
        return found.answer

    async def ask(self, use_case: UseCase, entity: str) -> dict[str, Any]:
        """The answer's fields; raises StoreError where the store is away."""
        return fields(await self.answer(use_case, entity))

    async def reply(self, use_case: UseCase, entity: str) -> Response:
        """The answer as it goes out; raises StoreError where the store is away."""
        return sent(told(await self.answer(use_case, entity)))


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


class AnyText(PathConvertor):
    """What stands for an id in an address: a slash is part of it, and so is a line's end."""

    regex = r"[\s\S]*"


register_url_convertor("path", AnyText())
# An id may hold any character, a slash too: hence `:path` in the addresses.
Id = Annotated[str, Path(min_length=1, max_length=128)]
AtDesk = Annotated[Desk, Depends(_desk)]
