"""What is asked about those about to leave: who they are, and what calling them gives and costs."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from lambda_arch.models import CurvePoint
from serving.audience import AtAudience, at_risk_from
from serving.cutoffs import AtCutoff, Cost, costs_of
from serving.problems import DOCUMENTED, absent, fault, problem
from serving.replies import Reply
from serving.risk_page import START, Asked, CursorError, Page, cursor_of, page, place_of
from serving.rows import DOCUMENTED as FILE
from serving.rows import Format, RiskRow, file, risk_row, wanted
from serving.tradeoff import at_costs, cheapest

NO_CURVE = "no model of churn with a trade-off curve is in service"
MAX_PAGE, MAX_OFFSET = 1000, 10_000

churn = APIRouter(prefix="/v1/churn", responses=DOCUMENTED)


class PageFormat(StrEnum):
    """A ranked page, or everybody as a file."""

    JSON = "json"
    CSV = "csv"
    JSONL = "jsonl"


class PointReply(Reply):
    """What calling everybody from the cutoff on gives; cost per customer, null where it is not known to be finite."""

    cutoff: float
    precision: float
    recall: float
    cost: float | None


class CurveReply(Reply):
    """The trade-off by cutoff, and the cutoff of the least cost; by customers that training had not seen."""

    generation: int
    model: str
    model_version: int
    base_rate: float
    cutoff: float
    points: list[PointReply]


class AtRisk(Reply):
    """Somebody about to leave, as the layer says that answers."""

    user_id: str
    probability: float
    layer: str
    as_of: str | None


class AtRiskReply(Reply):
    """A page of the ranking, the likeliest first; `cursor` asks for the next, null where there is none."""

    generation: int
    cutoff: float
    items: list[AtRisk]
    cursor: str | None


@churn.get("/curve", responses={404: absent(NO_CURVE)}, response_model=CurveReply)
async def curve(audience: AtAudience, false_positive: Cost = None, false_negative: Cost = None) -> Any:
    """Precision, recall and cost by cutoff: at the costs of the configuration, or at those given."""
    moment = await audience.moment()
    model, costs = moment.view.models().churn, costs_of(false_positive, false_negative)
    if model is None or not model.curve:
        return problem(404, NO_CURVE)
    points = at_costs(model, costs) if costs else model.curve
    return CurveReply(
        generation=moment.generation, model=model.name, model_version=model.version, base_rate=model.base_rate,
        cutoff=cheapest(points).cutoff if costs else model.cutoff, points=list(map(_point, points)),
    )  # fmt: skip


@churn.get(
    "/at-risk", response_model=AtRiskReply,
    responses={200: {**FILE, "description": "A page, or everybody as a file"}, 404: absent(NO_CURVE)},
)  # fmt: skip
async def at_risk(
    audience: AtAudience,
    calls: AtCutoff,
    n: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
    segment: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    format: Annotated[PageFormat | None, Query(description="Else the Accept header decides.")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Any:
    """Who is about to leave by what both layers say: a page of the ranking, or with a format of files everybody.

    A file is in the order of the night, those whom the speed layer has added last; `n`, `offset` and `cursor` are of
    pages. A list knows no arms of experiments: who is asked about alone may be told otherwise, by the policy of their
    arm.
    """
    after = _place(cursor)
    moment = await audience.moment()
    cutoff = calls.cutoff(moment.view.models().churn)
    if cutoff is None:
        return problem(404, NO_CURVE)
    asked = Asked(n, cutoff, after, offset, segment)
    form = wanted(accept) if format is None else None if format is PageFormat.JSON else Format(format)
    if form is None:
        return _reply(await page(audience, moment, asked), moment.generation, cutoff)
    pieces = audience.walk(moment, at_risk_from(cutoff, segment))
    return file(pieces, risk_row, RiskRow, form, "at-risk", moment.generation)


def _place(given: str | None) -> Any:
    try:
        return START if given is None else place_of(given)
    except CursorError as error:
        raise fault("cursor", str(error)) from None


def _point(point: CurvePoint) -> PointReply:
    cost = point.cost if math.isfinite(point.cost) else None
    return PointReply(cutoff=point.cutoff, precision=point.precision, recall=point.recall, cost=cost)


def _reply(found: Page, generation: int, cutoff: float) -> AtRiskReply:
    items = [
        AtRisk(user_id=answer.entity[2:], probability=answer.value["probability"], layer=answer.layer,
               as_of=answer.as_of)
        for answer in found.answers
    ]  # fmt: skip
    return AtRiskReply(
        generation=generation, cutoff=cutoff, items=items, cursor=cursor_of(found.after) if found.after else None
    )
