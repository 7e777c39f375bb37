"""Generations as the lake keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from lambda_arch.clock import parse_rfc3339, rfc3339
from lambda_arch.fidelity import FidelityTable, decode_fidelity
from lambda_arch.lake import Lake
from lambda_arch.model_bytes import decode_models
from lambda_arch.models import Models
from lambda_arch.records import UnknownSchemaError, UseCase
from lambda_arch.tables import GENERATIONS


class NoGenerationError(ValueError):
    """There is no generation of that number."""


@dataclass(frozen=True)
class Stored:
    """A generation; its report is read as it stands, for older ones lack what newer ones tell."""

    number: int
    horizon: int
    report: dict[str, Any]
    encoded: bytes
    encoded_twins: bytes = b""
    encoded_fidelity: bytes = b""

    def models(self) -> Models:
        """The models in it; raises UnknownSchemaError where another release wrote them."""
        return decode_models(self.encoded)

    def twins(self) -> Models:
        """The models that its backtest measured; raises UnknownSchemaError like `models`."""
        if not self.encoded_twins:
            raise UnknownSchemaError("it does not have the models that its backtest measured")
        return decode_models(self.encoded_twins)

    def fidelity(self) -> FidelityTable:
        """What its readers are told; raises UnknownSchemaError like `models`."""
        return decode_fidelity(self.encoded_fidelity)

    def trained_in(self) -> dict[UseCase, int]:
        """The generation in which each model in service was trained."""
        return {name: model.version for name, model in self.models().in_service().items()}


def stored(lake: Lake, number: int) -> Stored:
    """The generation of a number; raises NoGenerationError where the lake has none such."""
    found = newest(lake, F.col("generation") == number)
    if found is None:
        raise NoGenerationError(f"no generation {number} in the lake")
    return found


def before(lake: Lake, horizon: int) -> Stored | None:
    """The generation of the newest earlier horizon, or None."""
    return newest(lake, F.col("horizon") < rfc3339(horizon))


def newest(lake: Lake, condition: Column) -> Stored | None:
    """Of the generations that meet the condition the one of the newest horizon; None without any."""
    if not lake.exists(GENERATIONS):
        return None
    order = F.desc("horizon"), F.desc("generation")
    rows = lake.read(GENERATIONS).where(condition).orderBy(*order).limit(1).collect()
    return _stored(rows[0]) if rows else None


def digests(lake: Lake) -> dict[int, str]:
    """Of every generation the digest of its models, by horizon; none in a lake where no night has been."""
    if not lake.exists(GENERATIONS):
        return {}
    digest = F.sha2("models", 256).alias("digest")  # there, for the models of all nights would fill the driver
    rows = lake.read(GENERATIONS).select("generation", "horizon", digest).orderBy("horizon").collect()
    return {row.generation: row.digest for row in rows}


def _stored(row: Row) -> Stored:
    return Stored(
        number=row.generation,
        horizon=parse_rfc3339(row.horizon),
        report=msgspec.json.decode(row.report),
        encoded=bytes(row.models),
        encoded_twins=bytes(row.twins or b""),
        encoded_fidelity=row.fidelity.encode(),
    )
