"""What is asked about a viewer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from lambda_arch.records import USER_USE_CASES
from serving.desk import AtDesk, Id
from serving.problems import DOCUMENTED
from serving.replies import ChurnReply, EntityReply, RecommendationsReply, SegmentReply, layers

MAX_TITLES = 100

users = APIRouter(prefix="/v1/users", responses=DOCUMENTED)


@users.get("/{user_id:path}/recommendations")
async def recommendations(
    user_id: Id, desk: AtDesk, n: Annotated[int, Query(ge=1, le=MAX_TITLES)] = 10
) -> RecommendationsReply:
    """What goes to the top of this viewer's watchlist: at most `n` titles, best first."""
    asked = await desk.ask("recommend", f"u:{user_id}")
    asked["value"]["items"] = asked["value"]["items"][:n]
    return RecommendationsReply(**asked)


@users.get("/{user_id:path}/segment")
async def segment(user_id: Id, desk: AtDesk) -> SegmentReply:
    """Which segment this viewer belongs to."""
    return SegmentReply(**await desk.ask("segment", f"u:{user_id}"))


@users.get("/{user_id:path}/churn")
async def churn(user_id: Id, desk: AtDesk) -> ChurnReply:
    """How likely this viewer is to cancel."""
    return ChurnReply(**await desk.ask("churn", f"u:{user_id}"))


@users.get("/{user_id:path}/layers")
async def user_layers(user_id: Id, desk: AtDesk) -> EntityReply:
    """What each layer has stored for this viewer, and what is answered: for every use case."""
    view = await desk.answers.view(f"u:{user_id}", USER_USE_CASES)
    return layers(view, [desk.answers.answer_of(view, use_case) for use_case in USER_USE_CASES])
