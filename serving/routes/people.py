"""One person: all that is held, and its erasure."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from lambda_arch.clock import rfc3339
from lambda_arch.config import Config
from serving.access.guard import ASKED_BY
from serving.desk import Id
from serving.outbox import Outbox
from serving.people import IncompleteError, erased, export
from serving.problems import RETRY_SECONDS, documented, problem
from serving.replies import Reply
from serving.routes.administration import AtAdministration

_DOCUMENTED = documented({
    422: "A parameter is out of bounds",
    503: "Store or broker do not answer: the erasure is not complete, ask again",
})  # fmt: skip
IN_THE_LAKE = "rows of the lake go with the next night, or at once with `lambda-arch erase --apply`"


class ErasedReply(Reply):
    """What happened until `erased_until` is erased, whenever it arrives; what happens after is a new person's."""

    user_id: str
    erased_until: str
    keys: int
    lake: str


class ExportReply(Reply):
    """All that the store holds of a person: each generation's records and profile, and the speed layer's.

    `exposures`: by day how often which title was shown, where rules have a frequency cap.
    """

    user_id: str
    exported_at: str
    batch: list[dict[str, Any]]
    speed: dict[str, Any]
    exposures: dict[str, dict[str, int]]
    erased_until: str | None


def _people(request: Request) -> tuple[Outbox, Config]:
    found: tuple[Outbox, Config] = request.app.state.outbox, request.app.state.config
    return found


AtPeople = Annotated[tuple[Outbox, Config], Depends(_people)]


_QUESTIONS = frozenset((b"recommendations", b"segment", b"churn", b"layers", b"explain", b"export"))


def _not_a_question(request: Request) -> None:
    """Nobody is erased for a wrong method: `x/churn` is a question about x, the id x/churn is sent as `x%2Fchurn`."""
    about = request.scope["raw_path"].partition(b"/users/")[2]
    _, slash, last = about.rpartition(b"/")
    if slash and unquote_to_bytes(last) in _QUESTIONS:
        raise HTTPException(405, headers={"Allow": "GET"})


people = APIRouter(prefix="/v1/users", responses=_DOCUMENTED)


@people.get("/{user_id:path}/export", response_model=ExportReply)
async def export_user(user_id: Id, asked: AtAdministration) -> Response:
    """All that the store holds of a person; `lambda-arch export-user` adds the events, from the lake."""
    return JSONResponse(await asked.ask(lambda store: export(store, user_id)))


@people.delete("/{user_id:path}", status_code=202, response_model=ErasedReply, dependencies=[Depends(_not_a_question)])
async def erase_user(user_id: Id, request: Request, asked: AtAdministration, at: AtPeople) -> Any:
    """Erase a person: registered for good, gone from store and announcements at once, from the lake with the night.

    Twice is once. 503 where that is not complete; what was done stays done.
    """
    outbox, config = at
    key: str | None = request.scope.get(ASKED_BY)
    try:
        erasure, keys = await erased(asked.ask, outbox, config, user_id, key)
    except IncompleteError as error:
        return problem(503, str(error), {"Retry-After": RETRY_SECONDS})
    return ErasedReply(user_id=user_id, erased_until=rfc3339(erasure.moment), keys=keys, lake=IN_THE_LAKE)
