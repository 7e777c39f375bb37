"""What is asked about a viewer."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from msgspec import structs

from lambda_arch.records import USER_USE_CASES
from serving.caching import ASK_AGAIN, UNCHANGED, IfNoneMatch, sent_once
from serving.cutoffs import AtCutoff
from serving.desk import AtDesk, Id
from serving.explained import UserExplanation
from serving.problems import DOCUMENTED
from serving.replies import ChurnReply, EntityReply, RecommendationsReply, SegmentReply, layers, sent, told
from serving.routes.wishes import AboutText, AskedFor
from serving.rules.wish import MOST

users = APIRouter(prefix="/v1/users", responses=DOCUMENTED)


@users.get("/{user_id:path}/recommendations", response_model=RecommendationsReply, responses=UNCHANGED)
async def recommendations(user_id: Id, desk: AtDesk, wish: AskedFor, if_none_match: IfNoneMatch = None) -> Response:
    """What goes to the top of this viewer's watchlist: at most `n` titles, best first, none that they have seen."""
    answer = await desk.recommended(user_id, wish)
    value = msgspec.Raw(msgspec.json.encode(answer.value))  # once, for the tag and for the reply
    return sent_once(told(answer, value=value), [answer.generation, answer.layer, value], if_none_match, ASK_AGAIN)


@users.get("/{user_id:path}/segment", response_model=SegmentReply)
async def segment(user_id: Id, desk: AtDesk) -> Response:
    """Which segment this viewer belongs to."""
    return await desk.reply("segment", f"u:{user_id}")


@users.get("/{user_id:path}/churn", response_model=ChurnReply)
async def churn(user_id: Id, desk: AtDesk, calls: AtCutoff) -> Response:
    """How likely this viewer is to cancel, and whether to call: from the cutoff given, or that of the least cost."""
    answer = await desk.answer("churn", f"u:{user_id}")
    cutoff, probability = calls.given(desk.answers.models().churn), answer.value["probability"]
    if cutoff is not None and probability is not None:
        value = {**answer.value, "cutoff": cutoff, "at_risk": probability >= cutoff}
        answer = structs.replace(answer, value=value)
    return sent(told(answer))


@users.get("/{user_id:path}/layers")
async def user_layers(user_id: Id, desk: AtDesk) -> EntityReply:
    """What each layer has stored for this viewer, and what is answered: for every use case."""
    view = await desk.answers.view(f"u:{user_id}", USER_USE_CASES)
    return layers(view, [desk.answers.answer_of(view, use_case) for use_case in USER_USE_CASES])


@users.get("/{user_id:path}/explain", response_model=UserExplanation)
async def explain(
    user_id: Id, desk: AtDesk, n: Annotated[int, Query(ge=1, le=MOST)] = 10, text: AboutText = None
) -> Response:
    """Why the answers are what they are: both layers, and what of this viewer's own doing adds up to each answer."""
    return sent(await desk.explainer.of_user(user_id, n, text))
