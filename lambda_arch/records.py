"""A prediction and its provenance: the record both layers write and the order in which one replaces another."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

UseCase = Literal["recommend", "segment", "churn", "sentiment"]
Layer = Literal["batch", "speed"]

USE_CASES: tuple[UseCase, ...] = ("recommend", "segment", "churn", "sentiment")
USER_USE_CASES: tuple[UseCase, ...] = ("recommend", "segment", "churn")
TITLE_USE_CASES: tuple[UseCase, ...] = ("sentiment",)
SCHEMA = 1


class UnknownSchemaError(ValueError):
    """A stored value has a schema version that this release does not know."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One answer of one layer for one entity, with where it came from.

    `entity` is `u:ID` or `t:ID`; times are RFC 3339 UTC with microseconds; `as_of` is the newest event time
    the answer has seen, `evidence` how many events of this entity, `generation` the models it was made
    with, `model_version` the generation in which this use case's model was trained.
    """

    use_case: UseCase
    entity: str
    value: dict[str, Any]
    layer: Layer
    model: str
    model_version: int
    as_of: str
    evidence: int
    generation: int
    written_at: str
    schema: int = SCHEMA


Order = tuple[int, int, str, int]


def order(record: Prediction) -> Order:
    """The compare-and-set order: a stored record is replaced only by one that is strictly greater."""
    return (record.generation, record.evidence, record.as_of, record.model_version)


def encode(record: Prediction) -> bytes:
    """The record as JSON, as any Redis client reads it."""
    return msgspec.json.encode(record)


class _Versioned(msgspec.Struct):
    schema: int = SCHEMA


_version = msgspec.json.Decoder(_Versioned)
_decoder = msgspec.json.Decoder(Prediction)


def decode(stored: bytes) -> Prediction:
    """The record of stored JSON; raises UnknownSchemaError for a schema of another release."""
    try:
        record = _decoder.decode(stored)
    except msgspec.ValidationError:
        # A record of another release need not have this release's fields: its version is read by itself.
        _check(_version.decode(stored).schema)
        raise
    _check(record.schema)
    return record


def _check(schema: int) -> None:
    if schema != SCHEMA:
        raise UnknownSchemaError(f"prediction of schema {schema}, this release reads {SCHEMA}: upgrade first")
