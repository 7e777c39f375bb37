"""The store's promises against a real server: compare-and-set, generations, the event clock."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_arch.clock import rfc3339
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.records import Prediction, UnknownSchemaError, decode, encode, order
from lambda_arch.store import (
    GENERATION_KEY,
    Commit,
    CommitResult,
    Generations,
    Store,
    StoreError,
    generation_key,
    speed_key,
)

pytestmark = pytest.mark.servers
TTL_DAYS = 3
_numbers = itertools.count()


@pytest.fixture(scope="module")
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url, TTL_DAYS)
    yield store
    store.redis.close()


@pytest.fixture
def entity() -> str:
    return fresh()


def fresh() -> str:
    return f"u:store-{next(_numbers)}"


def record(entity: str, **changes: object) -> Prediction:
    plain = Prediction(
        use_case="churn", entity=entity, value={}, layer="speed", model="m", model_version=1, as_of=rfc3339(0),
        evidence=1, generation=1, written_at=rfc3339(0),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def commit(store: Store, entity: str, version: int, *records: Prediction, state: bytes = b"s") -> CommitResult:
    (result,) = store.commit([Commit(entity, version, state, list(records))])
    return result


def stored(store: Store, entity: str) -> Prediction:
    return decode(store.redis.hget(speed_key(entity), "churn"))


# Fields left out stay equal, so that every place of the order gets to decide.
moves: st.SearchStrategy[list[dict[str, object]]] = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "generation": st.integers(0, 3),
            "evidence": st.sampled_from([0, 1, 9, 10, 2**40]),
            "as_of": st.sampled_from([rfc3339(0), rfc3339(1), rfc3339(10**15)]),
            "model_version": st.integers(0, 11),
        },
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves)
def test_of_all_writes_the_greatest_by_the_order_stays(store: Store, writes: list[dict[str, object]]) -> None:
    entity = fresh()
    refused = 0
    kept: Prediction | None = None
    for version, changes in enumerate(writes):
        new = record(entity, **changes)
        result = commit(store, entity, version, new)
        assert result.written
        refused += result.refused
        assert result.refused == int(kept is not None and order(new) <= order(kept))
        kept = new if kept is None else max(kept, new, key=order)
        assert stored(store, entity) == kept
    assert refused < len(writes)


def test_a_commit_over_another_version_changes_nothing(store: Store, entity: str) -> None:
    commit(store, entity, 0, record(entity), state=b"first")
    result = commit(store, entity, 0, record(entity, evidence=9), state=b"late")
    assert result == CommitResult(written=False, refused=0)
    (found,) = store.read_entities([entity], 1)
    assert (found.state, found.version, stored(store, entity).evidence) == (b"first", 1, 1)


def test_a_zombie_cannot_overwrite(store: Store, entity: str) -> None:
    """Two workers read version 0; the one that stalls finds its version gone, and re-reading its record refused."""
    (read,) = store.read_entities([entity], 1)
    commit(store, entity, read.version, record(entity, evidence=5), state=b"alive")
    assert not commit(store, entity, read.version, record(entity, evidence=4), state=b"zombie").written
    (again,) = store.read_entities([entity], 1)
    assert commit(store, entity, again.version, record(entity, evidence=4), state=b"alive") == CommitResult(True, 1)
    assert stored(store, entity).evidence == 5


def test_a_replayed_record_is_a_counted_no_op(store: Store, entity: str) -> None:
    commit(store, entity, 0, record(entity, written_at=rfc3339(1)))
    assert commit(store, entity, 1, record(entity, written_at=rfc3339(2))) == CommitResult(True, 1)
    assert stored(store, entity).written_at == rfc3339(1)


def test_every_refused_record_is_counted(store: Store, entity: str) -> None:
    churn, segment = record(entity), record(entity, use_case="segment")
    commit(store, entity, 0, churn, segment)
    grown = msgspec.structs.replace(segment, evidence=2)
    assert commit(store, entity, 1, churn, segment) == CommitResult(True, 2)
    assert commit(store, entity, 2, churn, grown) == CommitResult(True, 1, (grown,))


def test_many_entities_in_one_round_trip_answer_in_order(store: Store) -> None:
    entities = [fresh() for _ in range(5)]
    commit(store, entities[2], 0)
    results = store.commit([Commit(entity, 0, b"s", [record(entity)]) for entity in entities])
    assert [result.written for result in results] == [True, True, False, True, True]


def test_a_state_is_any_bytes_and_records_are_plain_json(store: Store, entity: str) -> None:
    state = bytes(range(256))
    commit(store, entity, 0, record(entity, value={"name": 'Zoë \\ " \n'}), state=state)
    (found,) = store.read_entities([entity], 1)
    assert found.state == state
    assert json.loads(store.redis.hget(speed_key(entity), "churn"))["value"] == {"name": 'Zoë \\ " \n'}


def test_both_hashes_expire(store: Store, entity: str) -> None:
    commit(store, entity, 0, record(entity))
    store.publish(1, [(entity, {"profile": b"p"})])
    for key in (speed_key(entity), generation_key(entity, 1)):
        assert TTL_DAYS * 86400 - 60 < store.redis.ttl(key) <= TTL_DAYS * 86400


def test_publishing_again_leaves_the_same(store: Store) -> None:
    entities = [fresh() for _ in range(25)]
    store.publish(1, [(entity, {"profile": b"old", "gone": b"x"}) for entity in entities])
    for _ in range(2):
        assert store.publish(1, [(entity, {"profile": b"p"}) for entity in entities], batch=10) == 25
    assert all(store.redis.hgetall(generation_key(entity, 1)) == {b"profile": b"p"} for entity in entities)


def test_a_flip_twice_is_once_and_goes_back(store: Store) -> None:
    store.redis.delete(GENERATION_KEY)
    assert store.generations() == Generations()
    store.flip(1, 100)
    store.flip(2, 200)
    store.flip(2, 200)
    assert store.generations() == Generations(2, 200, 1, 100)
    store.flip(1, 100)
    assert store.generations() == Generations(1, 100, 2, 200)
    store.redis.delete(GENERATION_KEY)


def test_the_event_clock_never_goes_back(store: Store) -> None:
    store.redis.delete("la:clock")
    moments = [1_451_606_400_000_000, 1_451_606_400_000_001, 1_451_606_399_999_999]
    for moment in moments:
        store.advance_clock(moment)
    assert store.event_now() == moments[1]
    store.redis.delete("la:clock")


def test_models_and_fidelity_come_back(store: Store, small_models: Models) -> None:
    table = FidelityTable(902, {"churn": {"batch": {"2-4": Measure(-0.4, 0.01, 12)}}})
    store.put_models(msgspec.structs.replace(small_models, generation=902), table)
    models = store.models(902)
    assert models is not None
    assert (models.catalogue, store.fidelity(902)) == (small_models.catalogue, table)
    assert (store.models(903), store.fidelity(903)) == (None, None)


def test_a_fidelity_table_of_another_schema_is_refused(store: Store) -> None:
    store.redis.set("la:fidelity:904", msgspec.json.encode(FidelityTable(904, {}, schema=2)), ex=60)
    with pytest.raises(UnknownSchemaError, match="upgrade"):
        store.fidelity(904)


def test_speed_states_lists_every_entity_with_a_state(store: Store) -> None:
    odd = "u:with:colons}and{braces"
    commit(store, odd, 0, state=b"x")
    assert (odd, b"x") in set(store.speed_states())


def test_a_read_follows_the_pointer(store: Store, store_url: str, entity: str) -> None:
    for generation in (1, 2):
        batch = record(entity, layer="batch", generation=generation)
        store.publish(generation, [(entity, {"churn": encode(batch)})])

    async def seen_before_and_after_a_flip() -> list[int]:
        reader = AsyncStore(store_url)
        found = []
        for generation in (1, 2):
            store.flip(generation, generation)
            reading = await reader.read(entity, ["churn"])
            batch, speed = reading.records["churn"]
            assert speed is None
            found.append(decode(batch or b"").generation)
        await reader.close()
        return found

    store.redis.delete(GENERATION_KEY)
    assert asyncio.run(seen_before_and_after_a_flip()) == [1, 2]
    store.redis.delete(GENERATION_KEY)


def test_a_burst_of_reads_waits_its_turn(store_url: str) -> None:
    async def burst() -> int:
        reader = AsyncStore(store_url)
        readings = await asyncio.gather(*(reader.read(fresh(), ["churn"]) for _ in range(400)))
        await reader.close()
        return len(readings)

    assert asyncio.run(burst()) == 400


def test_a_store_that_is_away_is_named_without_its_password() -> None:
    async def asked() -> None:
        reader = AsyncStore("redis://:secret@127.0.0.1:1/0")
        try:
            await reader.pointer()
        finally:
            await reader.close()

    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1 does not answer.*lambda-arch up") as caught:
        asyncio.run(asked())
    assert "secret" not in str(caught.value)
