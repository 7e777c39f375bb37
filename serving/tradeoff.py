"""From what wrong calls cost to the cutoff of churn: the trade-off curve that the night measured, at other costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from lambda_arch.models import ChurnModel, CurvePoint


class Costs(msgspec.Struct, frozen=True):
    """What it costs to call somebody who would have stayed, and not to call somebody who leaves."""

    false_positive: float
    false_negative: float


def at_costs(model: ChurnModel, costs: Costs) -> list[CurvePoint]:
    """The model's curve with the cost per customer at these costs.

    Of n customers, n * base_rate leave: recall times that are called rightly, which is precision times all who are
    called. Where nobody is called rightly, precision does not tell how many are called in vain: the cost is infinite
    there, and never the least, for calling nobody at all costs less.
    """
    return [msgspec.structs.replace(point, cost=_cost(point, model.base_rate, costs)) for point in model.curve]


def cheapest(curve: Sequence[CurvePoint]) -> CurvePoint:
    """The point of the least cost; of equals the one of the lowest cutoff."""
    return min(curve, key=lambda point: (point.cost, point.cutoff))


def _cost(point: CurvePoint, base_rate: float, costs: Costs) -> float:
    right = point.recall * base_rate
    missed = base_rate - right
    if point.precision == 0:
        return math.inf
    wrong = right * (1 / point.precision - 1)
    return round(costs.false_positive * wrong + costs.false_negative * missed, 6)
