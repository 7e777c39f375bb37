"""What is asked for somebody without an id."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from lambda_arch.tiles import MILLION, Seen
from serving.desk import AtDesk, Desk
from serving.problems import DOCUMENTED, OF_BODIES
from serving.replies import SessionReply, sent
from serving.routes.wishes import PLAIN, Text, Wanted

LONGEST = 2000  # titles of a session

_Title = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class PlainSession(msgspec.Struct, forbid_unknown_fields=True):
    """A session that is nothing but titles."""

    titles: Annotated[list[_Title], msgspec.Meta(max_length=LONGEST)]


_plain = msgspec.json.Decoder(PlainSession)


class PlainFirst(APIRoute):
    """A route that answers plain sessions itself: the framework's reading of parameters takes as long as the answer.

    Whatever is not plain, or wrong, goes the usual way; both ways end in the same functions.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of a request."""
        usual = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                titles = _plain.decode(await request.body()).titles
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return await usual(request)
            desk: Desk = request.app.state.desk
            return sent(await desk.recommender.of_session(history_of(titles), PLAIN))

        return handler


sessions = APIRouter(prefix="/v1/sessions", responses=DOCUMENTED | OF_BODIES, route_class=PlainFirst)


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


def history_of(titles: Sequence[str | Watched]) -> list[Seen]:
    """The session as a history, each title once, as it was told first; what is not told has a strength of 1."""
    strengths: dict[str, float] = {}
    for title in titles:
        name, strength = (title, 1.0) if isinstance(title, str) else (title.title_id, title.strength)
        strengths.setdefault(name, strength)
    return [Seen(0, 0, title, max(1, round(strength * MILLION))) for title, strength in strengths.items()]
