"""What is asked about experiments: which there are, and what they showed when that was last reported."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from lambda_arch.experiments import Experiment
from serving.desk import AtDesk
from serving.problems import DOCUMENTED


class ExperimentsReply(BaseModel):
    """The configured experiments, and the newest report of each that has one (`lambda-arch experiments report`)."""

    experiments: list[Experiment]
    reports: list[dict[str, Any]]


experiments = APIRouter(prefix="/v1/experiments", responses=DOCUMENTED)


@experiments.get("")
async def all_experiments(desk: AtDesk) -> ExperimentsReply:
    """Who gets what, and what came of it so far."""
    return ExperimentsReply(experiments=list(desk.answers.experiments), reports=await desk.answers.reports())
