"""What is asked about many at once."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from serving.batches import BatchBody, BatchError, answers_to, batch_of
from serving.desk import AtDesk
from serving.problems import DOCUMENTED, OF_BODIES, problem
from serving.replies import AnswerReply, Reply, sent

predictions = APIRouter(prefix="/v1/predictions", responses=DOCUMENTED | OF_BODIES)
# Decoded by msgspec: pydantic would take as long over a thousand ids as the store does.
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": BatchBody.model_json_schema()}}}}


class PredictionsReply(Reply):
    """An answer per user and use case, in the order in which they were asked for, then one per title."""

    answers: list[AnswerReply[dict[str, Any]]]


@predictions.post("", response_model=PredictionsReply, openapi_extra=_BODY)
async def predict(request: Request, desk: AtDesk) -> Response:
    """Answers about many users and titles, of one moment."""
    try:
        batch = batch_of(await request.body())
    except BatchError as error:
        return problem(422, str(error))
    return sent({"answers": await answers_to(desk, batch)})
