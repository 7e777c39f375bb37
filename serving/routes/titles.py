"""What is asked about a title."""

from __future__ import annotations

from fastapi import APIRouter

from serving.desk import AtDesk, Id
from serving.problems import DOCUMENTED
from serving.replies import SentimentReply

titles = APIRouter(prefix="/v1/titles", responses=DOCUMENTED)


@titles.get("/{title_id:path}/sentiment")
async def sentiment(title_id: Id, desk: AtDesk) -> SentimentReply:
    """What the audience feels about this title."""
    return SentimentReply(**await desk.ask("sentiment", f"t:{title_id}"))
