"""The speed layer's last answers before a night against that night's, of a sample, before the flip scores them anew."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from statistics import fmean, stdev

import msgspec

from lambda_arch.agreement import Agreed, Agreement, agreement_of
from lambda_arch.clock import rfc3339
from lambda_arch.draws import draw
from lambda_arch.records import USE_CASES, Prediction, UnknownSchemaError, UseCase, decode
from lambda_arch.store import Store

MOST = 5000  # entities held against each other: then an error of a percent is seen
SCAN, AT_ONCE = 10_000, 500
Both = tuple[Prediction, Prediction]


def agreement(store: Store, generation: int, horizon: int, former: int) -> Agreement:
    """How the generation's records in the store agree with what the speed layer said last with the former one.

    A record that has seen an event at or after the horizon is left out: it knows more than any night could.
    """
    chosen = heapq.nsmallest(MOST, _streamed(store), key=lambda entity: draw(entity, "agreement"))
    pairs = list(_pairs(store, chosen, generation, former))
    return Agreement(generation, former, {use_case: _agreed(use_case, pairs, horizon) for use_case in USE_CASES})


def _streamed(store: Store) -> Iterator[str]:
    """Every entity of which the speed layer has something, some maybe twice."""
    cursor, begun = 0, False
    while cursor or not begun:
        cursor, entities = store.speed_entities(cursor, SCAN)
        begun = True
        yield from entities


def _pairs(store: Store, entities: Sequence[str], generation: int, former: int) -> Iterator[Both]:
    """(batch, speed) of each entity and use case that both speak of, with the generations asked for."""
    each = list(dict.fromkeys(entities))
    for first in range(0, len(each), AT_ONCE):
        for batch, speed in store.both_layers(each[first : first + AT_ONCE], generation):
            for one, other in zip(_readable(batch), _readable(speed), strict=True):
                if one and other and (one.generation, other.generation) == (generation, former):
                    yield one, other


def _readable(stored: Iterable[bytes | None]) -> Iterator[Prediction | None]:
    for value in stored:
        record = None
        with suppress(UnknownSchemaError, msgspec.MsgspecError):
            record = decode(value) if value else None
        yield record


def _agreed(use_case: UseCase, pairs: Iterable[Both], horizon: int) -> Agreed:
    known, ahead = rfc3339(horizon), 0
    found: list[float] = []
    for batch, speed in pairs:
        if batch.use_case == use_case and speed.as_of >= known:
            ahead += 1
        elif batch.use_case == use_case:
            with suppress(KeyError, TypeError):
                found.append(agreement_of(use_case, batch.value, speed.value))
    error = round(stdev(found) / len(found) ** 0.5, 6) if len(found) > 1 else None
    return Agreed(round(fmean(found), 6) if found else None, error, len(found), ahead)
