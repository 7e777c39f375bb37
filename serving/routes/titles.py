"""What is asked about a title."""

from __future__ import annotations

from fastapi import APIRouter, Response

from serving.caching import A_MINUTE, UNCHANGED, IfNoneMatch, sent_once
from serving.desk import AtDesk, Id
from serving.explained import SimilarReply, TitleExplanation
from serving.problems import DOCUMENTED
from serving.replies import SentimentReply, sent
from serving.routes.wishes import AboutText, AskedForLike

titles = APIRouter(prefix="/v1/titles", responses=DOCUMENTED)


@titles.get("/{title_id:path}/sentiment", response_model=SentimentReply)
async def sentiment(title_id: Id, desk: AtDesk) -> Response:
    """What the audience feels about this title."""
    return await desk.reply("sentiment", f"t:{title_id}")


@titles.get("/{title_id:path}/similar", response_model=SimilarReply, responses=UNCHANGED)
async def similar(title_id: Id, desk: AtDesk, wish: AskedForLike, if_none_match: IfNoneMatch = None) -> Response:
    """Titles like this one, and those that its viewers saw too, under the rules of a placement."""
    found = await desk.recommender.like(title_id, wish)
    return sent_once(found, found, if_none_match, A_MINUTE)


@titles.get("/{title_id:path}/explain", response_model=TitleExplanation)
async def explain(title_id: Id, desk: AtDesk, text: AboutText = None) -> Response:
    """Why the feeling about this title is what it is: both layers, and the words by which posts are judged."""
    return sent(await desk.explainer.of_title(title_id, text))
