"""What a store has of a generation, for comparison."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lambda_arch.records import USE_CASES, Prediction, decode
from lambda_arch.store import Store


class Content(NamedTuple):
    """All that the store has of a generation, but for when its records were written."""

    profiles: dict[str, bytes]
    records: dict[str, list[Prediction]]
    models: bytes
    fidelity: bytes


def content(store: Store, generation: int) -> Content:
    stored = {entity: store.entity(entity, generation) for entity in entities(store, generation)}
    records = {
        entity: [undated(said[name]) for name in USE_CASES if name in said]
        for entity, said in stored.items()
    }  # fmt: skip
    model, fidelity = (store.redis.get(f"la:{kind}:{generation}") for kind in ("model", "fidelity"))
    return Content({entity: said["profile"] for entity, said in stored.items()}, records, model, fidelity)


def entities(store: Store, generation: int) -> list[str]:
    """Users and titles that a generation has a hash of."""
    suffix = f"}}:g:{generation}"
    keys = store.redis.scan_iter(match=f"la:{{*{suffix}", count=1000)
    return sorted({key.decode()[4:].removesuffix(suffix) for key in keys})


def undated(record: bytes) -> Prediction:
    """A stored record, but for when it was written."""
    return msgspec.structs.replace(decode(record), written_at="")
