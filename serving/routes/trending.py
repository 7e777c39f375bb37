"""What is talked about out of the usual."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from serving.problems import DOCUMENTED
from serving.trends import Heading, Talk, TrendingReply

MOST = 100
trending = APIRouter(prefix="/v1/trending", responses=DOCUMENTED)


@trending.get("")
async def of_late(
    request: Request,
    n: Annotated[int, Query(ge=1, le=MOST, description="Of each direction, at the most.")] = 20,
    hours: Annotated[float, Query(gt=0, le=720, description="Titles with a post in so many.")] = 24,
    direction: Annotated[Heading | None, Query(description="Both if left out.")] = None,
) -> TrendingReply:
    """Titles that rise and titles that fall, each against what is usual for itself."""
    talk: Talk = request.app.state.talk
    return await talk.of_late(hours, n, direction)
