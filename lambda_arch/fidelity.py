"""How good each layer's answer is by how many events of the entity it has not seen, as measured at night."""

from __future__ import annotations

import msgspec

from lambda_arch.records import Layer, UseCase

BUCKETS = ("0", "1", "2-4", "5-19", "20+")
_STARTS = (0, 1, 2, 5, 20)
METRICS: dict[UseCase, str] = {
    "recommend": "nDCG@10 of what was watched next",
    "churn": "minus log-loss",
    "segment": "agreement with the segment that full knowledge gives",
    "sentiment": "agreement of the share of positive posts with full knowledge",
}


class Measure(msgspec.Struct, frozen=True):
    """A measured quality (higher is better), its standard error and the number of cases."""

    value: float
    standard_error: float
    cases: int


class FidelityTable(msgspec.Struct, frozen=True):
    """Measures by use case, layer and lag bucket; a bucket nobody could measure is absent."""

    generation: int
    measures: dict[str, dict[str, dict[str, Measure]]]
    schema: int = 1

    def of(self, use_case: UseCase, layer: Layer, lag: int) -> Measure | None:
        """The measure at a lag, or None where the backtest had no case."""
        return self.measures.get(use_case, {}).get(layer, {}).get(bucket(lag))


def bucket(lag: int) -> str:
    """The bucket of a lag (events of the entity not seen; negative counts as none)."""
    return BUCKETS[sum(lag >= start for start in _STARTS[1:])]
