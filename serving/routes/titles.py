"""What is asked about a title."""

from __future__ import annotations

from fastapi import APIRouter, Response

from serving.desk import AtDesk, Id
from serving.problems import DOCUMENTED
from serving.replies import SentimentReply

titles = APIRouter(prefix="/v1/titles", responses=DOCUMENTED)


@titles.get("/{title_id:path}/sentiment", response_model=SentimentReply)
async def sentiment(title_id: Id, desk: AtDesk) -> Response:
    """What the audience feels about this title."""
    return await desk.reply("sentiment", f"t:{title_id}")
