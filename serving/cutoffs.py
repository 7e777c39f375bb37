"""From which probability on a customer is called: what a request says of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from lambda_arch.models import ChurnModel
from serving.problems import fault
from serving.tradeoff import Costs, at_costs, cheapest

Cost = Annotated[float | None, Query(ge=0, le=1e9, allow_inf_nan=False)]


def costs_of(false_positive: float | None, false_negative: float | None) -> Costs | None:
    """The costs, None where none are given; a problem where one of them is."""
    if false_positive is None and false_negative is None:
        return None
    if false_positive is None or false_negative is None:
        raise fault("false_positive and false_negative", "want both costs or neither")
    return Costs(false_positive, false_negative)


class Calls:
    """From which probability on a customer is called: the cutoff given, or that of the least cost, or the model's."""

    def __init__(
        self,
        cutoff: Annotated[float | None, Query(ge=0, le=1, allow_inf_nan=False)] = None,
        false_positive: Cost = None,
        false_negative: Cost = None,
    ) -> None:
        self._cutoff, self._costs = cutoff, costs_of(false_positive, false_negative)
        if cutoff is not None and self._costs:
            raise fault("cutoff", "want either a cutoff or costs")

    def cutoff(self, model: ChurnModel | None) -> float | None:
        """The cutoff, the model's own where none is asked for; None where the model does not tell."""
        if self._cutoff is None and self._costs is None:
            return model.cutoff if model else None
        return self.given(model)

    def given(self, model: ChurnModel | None) -> float | None:
        """The cutoff that was asked for; None where none was, or the model has no curve to tell it from."""
        if self._cutoff is not None or self._costs is None:
            return self._cutoff
        return cheapest(at_costs(model, self._costs)).cutoff if model and model.curve else None


AtCutoff = Annotated[Calls, Depends()]
