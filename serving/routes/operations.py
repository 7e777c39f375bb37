"""What operators ask: whether it is alive and ready, and how it does."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from lambda_arch.store import StoreError
from serving.desk import AtDesk
from serving.replies import StatusReply

NEWEST = 5  # numbers: that of a night which died has no agreement

operations = APIRouter()


@operations.get("/health")
async def health() -> StatusReply:
    """Whether the process is alive, whatever the store does."""
    return StatusReply(status="alive")


@operations.get(
    "/ready", response_model=StatusReply,
    responses={503: {"model": StatusReply, "description": "Not ready, with reasons"}},
)  # fmt: skip
async def ready(desk: AtDesk) -> JSONResponse:
    """Whether the store answers, a generation is published and its models are loaded; 503 with reasons if not."""
    try:
        reasons = await desk.answers.unready()
    except StoreError as error:
        reasons = [str(error)]
    faults = [desk.recommender.rules.fault] if desk.recommender.rules.fault else []
    status = StatusReply(status="not ready" if reasons else "ready", reasons=reasons, faults=faults)
    return JSONResponse(status.model_dump(), 503 if reasons else 200)


@operations.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(desk: AtDesk) -> Response:
    """Decisions, latency and the newest agreement of both layers, for Prometheus."""
    with suppress(StoreError):  # the metrics are told while the store is away, too
        for newest in (await desk.answers.agreements(NEWEST))[:1]:
            desk.metrics.agreed(newest)
    return Response(desk.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
