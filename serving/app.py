"""The API: one address per question, each answered from the store through the arbiter.

A request reads both layers' records in one round trip (`answers`), the arbiter picks (`arbiter`), the
fallback chain answers for the unknown (`fallback`), and the reply says all of it (`replies`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from lambda_arch.config import Config
from lambda_arch.reads import AsyncStore
from lambda_arch.records import USER_USE_CASES, UseCase
from lambda_arch.store import StoreError
from serving.answers import Answers
from serving.metrics import Metrics, Timed
from serving.page import HTML, POLICY
from serving.problems import DOCUMENTED, with_problems
from serving.replies import (
    ChurnReply,
    EntityReply,
    RecommendationsReply,
    SegmentReply,
    SentimentReply,
    StatusReply,
    fields,
    layers,
)

MAX_TITLES = 100


class Desk:
    """Where questions are asked: the answers and the metrics that count them."""

    def __init__(self, answers: Answers, metrics: Metrics) -> None:
        self.answers, self.metrics = answers, metrics

    async def ask(self, use_case: UseCase, entity: str) -> dict[str, Any]:
        """The answer's fields; raises StoreError where the store is away."""
        answer = await self.answers.answer(use_case, entity)
        self.metrics.count(answer)
        return fields(answer)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


# An id may hold any character, a slash too: hence `:path` in the addresses.
Id = Annotated[str, Path(min_length=1, max_length=128)]
AtDesk = Annotated[Desk, Depends(_desk)]

questions = APIRouter(prefix="/v1", responses=DOCUMENTED)
operations = APIRouter()


@questions.get("/users/{user_id:path}/recommendations")
async def recommendations(
    user_id: Id, desk: AtDesk, n: Annotated[int, Query(ge=1, le=MAX_TITLES)] = 10
) -> RecommendationsReply:
    """What goes to the top of this viewer's watchlist: at most `n` titles, best first."""
    asked = await desk.ask("recommend", f"u:{user_id}")
    asked["value"]["items"] = asked["value"]["items"][:n]
    return RecommendationsReply(**asked)


@questions.get("/users/{user_id:path}/segment")
async def segment(user_id: Id, desk: AtDesk) -> SegmentReply:
    """Which segment this viewer belongs to."""
    return SegmentReply(**await desk.ask("segment", f"u:{user_id}"))


@questions.get("/users/{user_id:path}/churn")
async def churn(user_id: Id, desk: AtDesk) -> ChurnReply:
    """How likely this viewer is to cancel."""
    return ChurnReply(**await desk.ask("churn", f"u:{user_id}"))


@questions.get("/users/{user_id:path}/layers")
async def user_layers(user_id: Id, desk: AtDesk) -> EntityReply:
    """What each layer has stored for this viewer, and what is answered: for every use case."""
    view = await desk.answers.view(f"u:{user_id}", USER_USE_CASES)
    return layers(view, [desk.answers.answer_of(view, use_case) for use_case in USER_USE_CASES])


@questions.get("/titles/{title_id:path}/sentiment")
async def sentiment(title_id: Id, desk: AtDesk) -> SentimentReply:
    """What the audience feels about this title."""
    return SentimentReply(**await desk.ask("sentiment", f"t:{title_id}"))


@operations.get("/health")
async def health() -> StatusReply:
    """Whether the process is alive, whatever the store does."""
    return StatusReply(status="alive")


@operations.get("/ready", responses={503: {"model": StatusReply, "description": "Not ready, with reasons"}})
async def ready(desk: AtDesk) -> JSONResponse:
    """Whether the store answers, a generation is published and its models are loaded; 503 with reasons if not."""
    try:
        reasons = await desk.answers.unready()
    except StoreError as error:
        reasons = [str(error)]
    status = StatusReply(status="not ready" if reasons else "ready", reasons=reasons)
    return JSONResponse(status.model_dump(), 503 if reasons else 200)


@operations.get("/metrics")
async def metrics(desk: AtDesk) -> Response:
    """Decisions and latency, for Prometheus."""
    return Response(desk.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


@operations.get("/", include_in_schema=False)
async def page() -> HTMLResponse:
    """The plain page for people."""
    return HTMLResponse(HTML, headers={"Content-Security-Policy": POLICY})


def create_app(config: Config) -> FastAPI:
    """The API over the configured store; connections are opened by the first question, closed at the end."""
    desk = Desk(Answers(AsyncStore(config.store.url), config), Metrics())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await desk.answers.close()

    # The stock documentation pages load their scripts from elsewhere.
    app = FastAPI(title="Audience predictions", version="1", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.desk = desk
    app.add_middleware(Timed, metrics=desk.metrics)
    with_problems(app)
    app.include_router(questions)
    app.include_router(operations)
    return app
