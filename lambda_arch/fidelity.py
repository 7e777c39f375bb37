"""How good each layer's answer is by how many events of the entity it has not seen, as measured at night."""

from __future__ import annotations

from bisect import bisect_right
from typing import TypeVar

import msgspec

from lambda_arch.records import Layer, UnknownSchemaError, UseCase

SCHEMA = 1
Of = TypeVar("Of")
BUCKETS = ("0", "1", "2-4", "5-19", "20+")
STARTS = (0, 1, 2, 5, 20)
LAYERS: tuple[Layer, ...] = ("batch", "speed")
METRICS: dict[UseCase, str] = {
    "recommend": "nDCG@10 of what was watched next",
    "churn": "minus log-loss",
    "segment": "agreement with the segment that full knowledge gives",
    "sentiment": "agreement of the share of positive posts with full knowledge",
}


class Measure(msgspec.Struct, frozen=True):
    """A measured quality (higher is better), its standard error and the number of cases.

    `borrowed` names the buckets whose cases were pooled with the bucket's own, which are too few.
    """

    value: float
    standard_error: float
    cases: int
    borrowed: tuple[str, ...] = ()


class Blend(msgspec.Struct, frozen=True):
    """Both layers' answers as one: the speed layer's weight, and what it gains over the better layer alone.

    The gain was measured on other entities than the weight was chosen on.
    """

    weight: float
    gain: Measure


class FidelityTable(msgspec.Struct, frozen=True):
    """Measures by use case, layer (or baseline) and lag bucket; a bucket nobody could measure is absent.

    `gains` are speed's less batch's by use case and bucket, on the same cases: their error is the difference's.
    `blends` by use case and bucket; tables of the release before have none.
    """

    generation: int
    measures: dict[str, dict[str, dict[str, Measure]]]
    gains: dict[str, dict[str, Measure]] = {}
    schema: int = SCHEMA
    blends: dict[str, dict[str, Blend]] = {}

    def of(self, use_case: UseCase, layer: Layer, lag: int) -> Measure | None:
        """The measure at a lag, or None where the backtest had no case."""
        return self.measures.get(use_case, {}).get(layer, {}).get(bucket(lag))

    def at(self, use_case: UseCase, bucket: str | None) -> FidelityTable:
        """The part of the table that a decision at a bucket looks at; empty for None."""
        of = self.measures.get(use_case, {})
        return FidelityTable(
            self.generation,
            {use_case: {str(layer): _at(of.get(layer, {}), bucket) for layer in LAYERS}},
            {use_case: _at(self.gains.get(use_case, {}), bucket)},
            blends={use_case: _at(self.blends.get(use_case, {}), bucket)},
        )

    def blend(self, use_case: UseCase, lag: int) -> Blend | None:
        """How both layers' answers are best weighed at a lag, or None where that was not measured."""
        return self.blends.get(use_case, {}).get(bucket(lag))

    def gain(self, use_case: UseCase, lag: int) -> Measure | None:
        """What the speed layer measures above the batch layer at a lag, or None where the backtest had no case."""
        return self.gains.get(use_case, {}).get(bucket(lag))


def _at(lags: dict[str, Of], bucket: str | None) -> dict[str, Of]:
    return {bucket: lags[bucket]} if bucket in lags else {}


def bucket(lag: int) -> str:
    """The bucket of a lag (events of the entity not seen; negative counts as none)."""
    return BUCKETS[bisect_right(STARTS, lag, lo=1) - 1]


# Made once, here: msgspec 0.22 crashes where two threads are the first to ask for the same type.
_decoder = msgspec.json.Decoder(FidelityTable)


def decode_fidelity(stored: bytes) -> FidelityTable:
    """The table of stored JSON; raises UnknownSchemaError for a schema of another release."""
    table = _decoder.decode(stored)
    if table.schema != SCHEMA:
        raise UnknownSchemaError(f"fidelity of schema {table.schema}, this release reads {SCHEMA}: upgrade first")
    return table
