"""The API: one address per question, each answered from the store through the arbiter.

A request reads both layers' records in one round trip (`answers`), the arbiter picks (`arbiter`), the
fallback chain answers for the unknown (`fallback`), and the reply says all of it (`replies`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from lambda_arch.config import Config
from lambda_arch.list_reads import ListReads
from lambda_arch.new_title_reads import NewTitleReads
from lambda_arch.reads import AsyncStore
from serving.access.bodies import LimitedBody
from serving.access.secured import door_of, secured
from serving.answers import Answers
from serving.audience import Audience
from serving.decision_log import DecisionLog
from serving.desk import Desk
from serving.explaining import Explainer
from serving.exposing import Exposing
from serving.intake import Intake
from serving.metrics import Metrics, Timed
from serving.newcomers import Premieres
from serving.outbox import Outbox
from serving.problems import with_problems
from serving.pulse import Pulse
from serving.recommending import Recommender
from serving.routes.administration import Administration, administration
from serving.routes.churn import churn
from serving.routes.decisions import decisions
from serving.routes.direct import Direct, Plain
from serving.routes.documentation import documentation
from serving.routes.events import events
from serving.routes.experiments import experiments
from serving.routes.live import live
from serving.routes.operations import operations
from serving.routes.pages import pages
from serving.routes.people import people
from serving.routes.predictions import predictions
from serving.routes.segments import segments
from serving.routes.sessions import sessions
from serving.routes.titles import titles
from serving.routes.trending import trending
from serving.routes.users import users
from serving.rules.reading import Rulebook
from serving.trends import Talk

ROUTERS = (
    users,
    people,
    sessions,
    titles,
    trending,
    segments,
    churn,
    predictions,
    decisions,
    experiments,
    events,
    administration,
    documentation,
    live,
    operations,
    pages,
)


def create_app(config: Config) -> FastAPI:
    """The API over the configured store; connections are opened by the first question, closed at the end."""
    metrics, store = Metrics(), AsyncStore(config.store.url)
    answers, rules = Answers(store, config), Rulebook(config.serving.rules, metrics.rules_read)
    premieres = Premieres(NewTitleReads(store), config.features.history_limit)
    recommender = Recommender(answers, rules, premieres, config.features.history_limit)
    explainer = Explainer(answers, config.features.history_limit)
    desk = Desk(
        answers, metrics, DecisionLog(config, metrics.logged), recommender, explainer, Exposing(store, metrics.exposed)
    )
    operator = Administration(config)
    outbox = Outbox(config.kafka.bootstrap, config.serving.delivery_seconds)
    # The stock documentation pages load their scripts from elsewhere.
    app = FastAPI(
        title="Audience predictions", version="1", docs_url=None, redoc_url=None,
        lifespan=_living(rules, outbox, desk, operator), telemetry={"tracing": False, "metrics": False, "logs": False},
    )  # fmt: skip
    app.state.desk, app.state.pulse = desk, Pulse(store, desk.answers, desk.metrics)
    app.state.audience = Audience(answers, ListReads(store))
    app.state.administration, app.state.talk = operator, Talk(store, answers)
    app.state.config, app.state.outbox = config, outbox
    app.state.intake = Intake(outbox, config, desk.metrics)
    _layered(app, config, desk)
    for router in ROUTERS:
        app.include_router(router)
    return app


def _living(
    rules: Rulebook, outbox: Outbox, desk: Desk, operator: Administration
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What runs beside the answers, and what is closed at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(rules.follow())
        yield
        following.cancel()
        await outbox.close()
        await desk.close()
        operator.close()

    return lifespan


def _layered(app: FastAPI, config: Config, desk: Desk) -> None:
    """What a request goes through before an address has it: the last that is added is the first that is asked."""
    app.add_middleware(LimitedBody, access=config.serving.access)
    door = door_of(config.serving.access)
    app.state.plain = Plain(desk, door)
    app.add_middleware(Direct, plain=app.state.plain)
    secured(app, config.serving.access, door)
    app.add_middleware(Timed, metrics=desk.metrics)
    with_problems(app)
