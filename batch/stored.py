"""Generations as the lake keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from pyspark.sql import Row
from pyspark.sql import functions as F

from lambda_arch.clock import parse_rfc3339
from lambda_arch.lake import GENERATIONS, Lake
from lambda_arch.models import Models, decode_models
from lambda_arch.records import UseCase


class NoGenerationError(ValueError):
    """There is no generation of that number."""


@dataclass(frozen=True)
class Stored:
    """A generation; its report is read as it stands, for older ones lack what newer ones tell."""

    number: int
    horizon: int
    report: dict[str, Any]
    encoded: bytes

    def models(self) -> Models:
        """The models in it; raises UnknownSchemaError where another release wrote them."""
        return decode_models(self.encoded)

    def trained_in(self) -> dict[UseCase, int]:
        """The generation in which each model in service was trained."""
        return {name: model.version for name, model in self.models().in_service().items()}


def stored(lake: Lake, number: int) -> Stored:
    """The generation of a number; raises NoGenerationError where the lake has none such."""
    rows = lake.read(GENERATIONS).where(F.col("generation") == number).collect() if lake.exists(GENERATIONS) else []
    if not rows:
        raise NoGenerationError(f"no generation {number} in the lake")
    return _stored(rows[0])


def before(lake: Lake, generation: Stored) -> Stored | None:
    """The generation of the newest earlier horizon, or None."""
    earlier = lake.read(GENERATIONS).where(F.col("horizon") < generation.report["horizon"])
    rows = earlier.orderBy(F.desc("horizon")).limit(1).collect()
    return _stored(rows[0]) if rows else None


def in_order(lake: Lake) -> list[Stored]:
    """All of them, by horizon; none in a lake where no night has been."""
    if not lake.exists(GENERATIONS):
        return []
    return [_stored(row) for row in lake.read(GENERATIONS).orderBy("horizon").collect()]


def _stored(row: Row) -> Stored:
    return Stored(row.generation, parse_rfc3339(row.horizon), msgspec.json.decode(row.report), bytes(row.models))
