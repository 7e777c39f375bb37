"""A store with something to say at every address of the API."""

from __future__ import annotations

import json

import msgspec
from test_api import FIDELITY, HORIZON, NOW, VALUES, record
from test_members import CURVE, publish, risk_of, segment_of

from lambda_arch.agreement import Agreed, Agreement
from lambda_arch.clock import DAY
from lambda_arch.commits import Commit
from lambda_arch.models import Models, Trait
from lambda_arch.records import USER_USE_CASES, UseCase, encode
from lambda_arch.store import Store
from lambda_arch.talked_about import note_trending

PACE = {"direction": "rising", "posts": 40, "usual": 10.5, "score": 6.25}
RISING = record("sentiment", "t:b", "speed", value=VALUES["sentiment"] | {"pace": PACE})


def fill(store: Store, models: Models) -> None:
    """Generation 2 is current, 1 previous; user 42 and title a are known to both layers, a hundred users to batch."""
    for number in (1, 2):
        _generation(store, models, number)
    known: dict[str, tuple[UseCase, ...]] = {"u:42": USER_USE_CASES, "t:a": ("sentiment",)}
    for entity, use_cases in known.items():
        store.publish(2, [(entity, {name: encode(record(name, entity, "batch")) for name in use_cases})])
        store.commit([Commit(entity, 0, 0, b"", [record(name, entity, "speed") for name in use_cases])])
    store.commit([Commit("t:b", 0, 0, b"", [RISING])])
    note_trending(store, [RISING])
    store.put_agreement(Agreement(2, 1, {"churn": Agreed(0.9, 0.01, 99, 0)}))
    store.advance_clock(NOW)


def _generation(store: Store, models: Models, number: int) -> None:
    assert models.churn
    assert models.segment
    horizon = HORIZON + (number - 2) * DAY
    whole = msgspec.structs.replace(
        models, generation=number, horizon=horizon,
        churn=msgspec.structs.replace(models.churn, curve=CURVE),
        segment=msgspec.structs.replace(models.segment, traits=[[Trait("count:view", 3.0, 1.0)], [], []]),
    )  # fmt: skip
    store.put_models(whole, msgspec.structs.replace(FIDELITY, generation=number))
    told = {"segment": segment_of(0), "churn": risk_of(0.9)}
    publish(store, {f"user-{user:03}": told for user in range(100)}, number)  # type: ignore[misc]
    report = {"users": 100, "titles": 0, "models": {"churn": "m"}, "trained_in": {"churn": number}, "number": number}
    store.put_report(number, json.dumps(report).encode())
    store.reserve(number, horizon)
    store.flip(number, horizon)
