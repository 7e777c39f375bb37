"""What is asked for somebody without an id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from lambda_arch.tiles import MILLION, Seen
from serving.desk import AtDesk
from serving.problems import DOCUMENTED
from serving.replies import SessionReply, sent
from serving.routes.wishes import Text, Wanted

LONGEST = 2000  # titles of a session

sessions = APIRouter(prefix="/v1/sessions", responses=DOCUMENTED)


class Watched(BaseModel):
    """A title of the session and how strongly it speaks for itself: 1 is watched to the end, or rated five stars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title_id: Text
    strength: Annotated[float, Field(gt=0, le=100)] = 1.0


class SessionWanted(Wanted):
    """The titles of this session, the newest first, and what is wanted."""

    titles: Annotated[list[Text | Watched], Field(max_length=LONGEST)]


@sessions.post("/recommendations", response_model=SessionReply)
async def recommendations(wanted: SessionWanted, desk: AtDesk) -> Response:
    """What goes to the top for somebody without an id, by the titles of this session; nothing is stored."""
    return sent(await desk.recommender.of_session(history_of(wanted.titles), wanted.wish()))


def history_of(titles: list[str | Watched]) -> list[Seen]:
    """The session as a history, each title once; what is not told has a strength of 1."""
    watched = [Watched(title_id=title) if isinstance(title, str) else title for title in titles]
    newest = {one.title_id: one.strength for one in reversed(watched)}
    order = dict.fromkeys(one.title_id for one in watched)
    return [Seen(0, 0, title, max(1, round(newest[title] * MILLION))) for title in order]
