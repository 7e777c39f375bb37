"""Stored bytes -> a record that may take part in the decision, or the reason why not."""

from __future__ import annotations

import msgspec

from lambda_arch.clock import parse_rfc3339
from lambda_arch.records import Layer, Prediction, UnknownSchemaError, UseCase, decode
from serving.arbiter import Candidates, Rejection
from serving.values import is_valid

Pair = tuple[bytes | None, bytes | None]


def candidates(pair: Pair, use_case: UseCase, entity: str) -> tuple[Candidates, list[Rejection]]:
    """The (batch, speed) bytes as records, with a rejection for each that is there and cannot be used."""
    batch = _record(pair[0], "batch", use_case, entity)
    speed = _record(pair[1], "speed", use_case, entity)
    rejected = [found for found in (batch, speed) if isinstance(found, Rejection)]
    return Candidates(_usable(batch), _usable(speed)), rejected


def _record(stored: bytes | None, layer: Layer, use_case: UseCase, entity: str) -> Prediction | Rejection | None:
    if stored is None:
        return None
    try:
        record = decode(stored)
        parse_rfc3339(record.as_of)
    except UnknownSchemaError:
        return Rejection(layer, "unknown_schema")
    except (msgspec.MsgspecError, ValueError):
        return Rejection(layer, "unreadable")
    in_place = (record.layer, record.use_case, record.entity) == (layer, use_case, entity)
    return record if in_place and is_valid(use_case, record.value) else Rejection(layer, "unreadable")


def _usable(found: Prediction | Rejection | None) -> Prediction | None:
    return found if isinstance(found, Prediction) else None
