"""What is asked about what came of answers: experiments, and hit rates, as they were last reported."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from lambda_arch.experiments import Experiment
from lambda_arch.keys import EXPERIMENTS_KEY, HIT_RATES_KEY
from serving.desk import AtDesk
from serving.problems import DOCUMENTED


class ExperimentsReply(BaseModel):
    """The configured experiments, and the newest report of each that has one (`lambda-arch experiments report`)."""

    experiments: list[Experiment]
    reports: list[dict[str, Any]]


class HitRate(BaseModel):
    """Of a layer's logged lists the share of which a title was then watched, with its standard error over users."""

    hit_rate: float
    standard_error: float
    lists: int
    users: int


class HitRatesReply(BaseModel):
    """By the layer that answered, within so many hours of the answer; hours are null where nothing was reported yet."""

    hours: float | None
    layers: dict[str, HitRate]


experiments = APIRouter(prefix="/v1", responses=DOCUMENTED)


@experiments.get("/experiments")
async def all_experiments(desk: AtDesk) -> ExperimentsReply:
    """Who gets what, and what came of it so far."""
    reports = await desk.answers.told(EXPERIMENTS_KEY) or []
    return ExperimentsReply(experiments=list(desk.answers.experiments), reports=reports)


@experiments.get("/hit-rate")
async def hit_rate(desk: AtDesk) -> HitRatesReply:
    """How often what was served was then watched, as `lambda-arch hit-rate` last found."""
    told = await desk.answers.told(HIT_RATES_KEY)
    return HitRatesReply.model_validate(told or {"hours": None, "layers": {}})
