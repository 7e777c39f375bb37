"""The store's promises against a real server: compare-and-set, generations, the event clock."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_arch.audience import Listed, Lists, Piece, shard_of
from lambda_arch.clock import rfc3339
from lambda_arch.commits import Commit, CommitResult
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.generations import RollbackError, forget_silent, generation_number, retire, roll_back
from lambda_arch.keys import GENERATION_KEY, NUMBERS_KEY, Generations, generation_key, said_key, speed_key
from lambda_arch.lease import NightRunsError, night_lease
from lambda_arch.model_bytes import decode_in_pieces, decode_models, encode_models
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore, Reading
from lambda_arch.records import Prediction, UnknownSchemaError, decode, encode, order
from lambda_arch.store import Store, StoreError

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


def commit(
    store: Store, entity: str, version: int, *records: Prediction, state: bytes = b"s", epoch: int = 0
) -> CommitResult:
    (result,) = store.commit([Commit(entity, version, epoch, state, list(records))])
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
    results = store.commit([Commit(entity, 0, 0, b"s", [record(entity)]) for entity in entities])
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


def test_what_a_newer_epoch_said_stays_whole_and_what_an_older_one_said_goes_whole(store: Store, entity: str) -> None:
    """Generation 2, of epoch 2, was withdrawn: in epoch 3 generation 1 is right, though smaller by the order."""
    commit(store, entity, 0, record(entity, generation=2), record(entity, use_case="segment", generation=2), epoch=2)
    assert commit(store, entity, 1, record(entity, generation=1, evidence=9), epoch=2) == CommitResult(True, 1)
    assert commit(store, entity, 2, record(entity), state=b"new", epoch=3) == CommitResult(True, 0, (record(entity),))
    assert stored(store, entity) == record(entity)
    assert store.redis.hget(speed_key(entity), "segment") is None
    late = commit(store, entity, 3, record(entity, generation=2), state=b"late", epoch=2)
    assert late == CommitResult(False, 0, outdated=True)
    (found,) = store.read_entities([entity], 1)
    assert (found.state, found.version, stored(store, entity)) == (b"new", 3, record(entity))


def test_a_flip_twice_is_once_and_never_to_an_earlier_horizon(pointerless: Store) -> None:
    store = pointerless
    assert store.generations() == Generations()
    store.flip(1, 100)
    store.flip(2, 200)
    store.flip(2, 200)
    assert store.generations() == Generations(2, 200, 1, 100, epoch=2)
    with pytest.raises(StoreError, match="generation 1 was overtaken"):
        store.flip(1, 100)
    assert store.generations() == Generations(2, 200, 1, 100, epoch=2)


@pytest.fixture
def pointerless(store: Store) -> Iterator[Store]:
    """A store without a generation, before and after."""
    keys = (
        GENERATION_KEY,
        NUMBERS_KEY,
        *(f"la:{kind}:{n}" for kind in ("report", "model", "fidelity") for n in (1, 2)),
    )
    store.redis.delete(*keys)
    yield store
    store.redis.delete(*keys)


def published(store: Store, number: int, horizon: int, entities: list[str], models: Models) -> None:
    """A whole generation of some users, with a list of them in two pieces."""
    store.reserve(number, horizon)
    store.publish(number, [(entity, {"profile": b"p"}) for entity in entities])
    store.put_models(msgspec.structs.replace(models, generation=number), FidelityTable(number, {}))
    store.put_pieces(number, [("churn", piece, Piece(["a"], [0.5])) for piece in (0, 1)])
    store.put_lists(Lists(number, {"churn": Listed(2, 2, [0.5, 0.5])}))
    store.put_report(number, msgspec.json.encode({"users": len(entities), "titles": 0, "pieces": 2}))
    store.flip(number, horizon)


def test_a_rollback_makes_the_previous_current_and_remembers_what_was_withdrawn(
    pointerless: Store, small_models: Models, entity: str
) -> None:
    store = pointerless
    for number in (1, 2):
        published(store, number, number * 100, [entity], small_models)
    for wrong in (2, 3):
        with pytest.raises(RollbackError, match=f"cannot roll back to generation {wrong}: only 1 is kept whole"):
            roll_back(store, wrong)
    assert roll_back(store, 1) == store.generations() == Generations(1, 100, epoch=3, withdrawn=(2,))
    with pytest.raises(RollbackError, match="nothing to roll back to: generation 1 has none before it"):
        roll_back(store)
    assert generation_number(store, {1: 100, 2: 200}, 200) == 3
    store.flip(3, 200)
    assert store.generations() == Generations(3, 200, 1, 100, epoch=4, withdrawn=(2,))


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("la:model:1", "its models are gone"),
        ("la:{ENTITY}:g:1", "1 of 2 entities are there"),
        ("la:audience:1:churn:1", "1 of 2 pieces of its lists are there"),
        ("la:audience:1", "0 of 2 pieces of its lists are there"),
    ],
    ids=["without its models", "that lost an entity", "that lost a piece of a list", "without its lists"],
)
def test_there_is_no_rollback_to_half_a_generation(
    pointerless: Store, small_models: Models, entity: str, gone: str, told: str
) -> None:
    store = pointerless
    for number in (1, 2):
        store.redis.delete(*list(store.redis.scan_iter(match=f"la:{{*}}:g:{number}")) or [b"none"])
        published(store, number, number * 100, [entity, fresh()], small_models)
    store.redis.delete(gone.replace("ENTITY", entity))
    with pytest.raises(RollbackError, match=f"generation 1 is not whole: {told}; run a new night instead"):
        roll_back(store)
    assert store.generations().current == 2


def test_a_number_is_one_horizon_s_even_if_its_night_died(pointerless: Store) -> None:
    store = pointerless
    assert [generation_number(store, {}, horizon) for horizon in (100, 200, 100)] == [1, 2, 1]
    assert generation_number(store, {7: 700}, 300) == 8
    assert generation_number(store, {7: 700}, 700) == 7


def test_only_what_is_in_service_or_kept_for_the_way_back_stays(store: Store, entity: str) -> None:
    odd = "u:with:colons}:g:3"
    for number in (1, 2, 3):
        store.publish(number, [(entity, {"profile": b"p"}), (odd, {"profile": b"p"})])
        store.put_pieces(number, [("segment:0", 0, Piece(["a"]))])
        store.put_lists(Lists(number))
    commit(store, entity, 0, record(entity))
    assert retire(store, (2, 3)) >= 4
    lists = ("la:audience:{}", "la:audience:{}:segment:0:0")
    assert [[store.redis.exists(key.format(number)) for key in lists] for number in (1, 2)] == [[0, 0], [1, 1]]
    for name in (entity, odd):
        assert [bool(store.entity(name, number)) for number in (1, 2, 3)] == [False, True, True]
    assert store.says(entity, "churn")


def test_what_is_said_of_a_user_is_noted_and_the_note_follows_what_is_said(store: Store, entity: str) -> None:
    key, segments = (said_key(use_case, shard_of(entity)) for use_case in ("churn", "segment"))
    for version, (probability, segment) in enumerate([(0.25, 0), (0.75, 4)]):
        churn = record(entity, value={"probability": probability}, evidence=version)
        commit(store, entity, version, churn, record(entity, use_case="segment", value={"segment": segment}))
        noted = [store.redis.zscore(name, entity[2:]) for name in (key, segments)]
        assert noted == [-probability, segment]
        assert 0 < store.redis.ttl(key) <= TTL_DAYS * 86400
    store.redis.delete(speed_key(entity))
    assert forget_silent(store) >= 2
    assert store.redis.zscore(key, entity[2:]) is None


def test_a_user_who_has_a_speed_record_stays_noted(store: Store, entity: str) -> None:
    commit(store, entity, 0, record(entity, value={"probability": 0.5}))
    forget_silent(store)
    assert store.redis.zscore(said_key("churn", shard_of(entity)), entity[2:]) == -0.5


def test_the_second_night_is_told_who_runs_and_stops(store: Store) -> None:
    with night_lease(store, 0, 0) as lease:
        told = rf"a night at 1970-01-01T.* runs since 1970-01-01T.* as process {os.getpid()} on"
        with pytest.raises(NightRunsError, match=told), night_lease(store, 0, 0):
            pass
        lease.check()
    with night_lease(store, 0, 0):
        pass


def test_a_lease_is_kept_while_its_holder_lives_and_lapses_when_it_was_killed(store: Store, store_url: str) -> None:
    hold = "import sys,time; from lambda_arch.store import Store; from lambda_arch.lease import night_lease\n"
    hold += "with night_lease(Store(sys.argv[1], 1), 0, 0, 0.5): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold, store_url], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        time.sleep(1)
        with pytest.raises(NightRunsError, match=f"as process {holder.pid} on"), night_lease(store, 0, 0):
            pass
        holder.kill()
    deadline = time.monotonic() + 10
    while store.redis.exists("la:night"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with night_lease(store, 0, 0):
        pass


def test_a_night_that_lost_its_lease_does_not_take_another_s(store: Store) -> None:
    with night_lease(store, 0, 0) as lease:
        store.redis.set("la:night", b"another", ex=60)
        with pytest.raises(NightRunsError, match="lost its lease"):
            lease.check()
    assert store.redis.getdel("la:night") == b"another"


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


def test_models_that_are_read_in_pieces_are_the_same(small_models: Models) -> None:
    stored = encode_models(small_models)
    assert encode_models(decode_in_pieces(stored)) == encode_models(decode_models(stored)) == stored
    with pytest.raises(UnknownSchemaError, match="schema 9"):
        decode_in_pieces(msgspec.msgpack.encode({"schema": 9}))


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


def test_many_entities_are_read_at_once_and_follow_the_pointer(store: Store, store_url: str) -> None:
    entities = [fresh() for _ in range(3)]
    for generation in (1, 2):
        said = {entity: encode(record(entity, layer="batch", generation=generation)) for entity in entities[1:]}
        store.publish(generation, [(entity, {"churn": bytes_}) for entity, bytes_ in said.items()])
    commit(store, entities[2], 0, record(entities[2]))

    async def seen() -> list[list[list[tuple[str, int]]]]:
        reader = AsyncStore(store_url)
        found = []
        for generation in (1, 2):
            store.flip(generation, generation)
            readings = await reader.read_many(entities, ["churn"])
            assert {reading.generations.current for reading in readings} == {generation}
            found.append([[(one.layer, one.generation) for bytes_ in reading.records["churn"] if bytes_
                           for one in [decode(bytes_)]] for reading in readings])  # fmt: skip
        await reader.close()
        return found

    store.redis.delete(GENERATION_KEY)
    speed = ("speed", 1)
    assert asyncio.run(seen()) == [[[], [("batch", n)], [("batch", n), speed]] for n in (1, 2)]
    store.redis.delete(GENERATION_KEY)


def test_a_burst_of_reads_waits_its_turn(store_url: str) -> None:
    async def burst() -> int:
        reader = AsyncStore(store_url)
        readings = await asyncio.gather(*(reader.read(fresh(), ["churn"]) for _ in range(400)))
        await reader.close()
        return len(readings)

    assert asyncio.run(burst()) == 400


def test_what_is_read_in_one_tick_travels_together(store: Store, store_url: str) -> None:
    entities = [fresh() for _ in range(100)]
    for entity in entities:
        commit(store, entity, 0, record(entity, evidence=int(entity.rpartition("-")[2])))

    def reads() -> int:
        told: int = store.redis.info("stats")["total_reads_processed"]
        return told

    async def in_one_tick() -> list[int]:
        reader = AsyncStore(store_url)
        await reader.pointer()
        before = reads()
        leaving = asyncio.ensure_future(reader.read(fresh(), ["churn"]))
        asked = asyncio.gather(*(reader.read(entity, ["churn"]) for entity in entities))
        asyncio.get_running_loop().call_soon(leaving.cancel)
        readings = await asked
        assert reads() - before <= 3  # one of ours, which may arrive in two pieces, and the one that asks for the count
        assert leaving.cancelled()
        await reader.close()
        return [decode(reading.records["churn"][1] or b"").evidence for reading in readings]

    assert asyncio.run(in_one_tick()) == [int(entity.rpartition("-")[2]) for entity in entities]


def test_the_pointer_is_asked_for_once_in_a_tick_and_again_in_the_next(store: Store, store_url: str) -> None:
    def asked() -> int:
        told: int = store.redis.info("commandstats")["cmdstat_hgetall"]["calls"]
        return told

    async def in_two_ticks() -> tuple[int, int]:
        reader = AsyncStore(store_url)
        first = await reader.pointer()
        before = asked()
        leaving = asyncio.ensure_future(reader.pointer())
        waiting = asyncio.gather(*(reader.pointer() for _ in range(100)))
        asyncio.get_running_loop().call_soon(leaving.cancel)
        found, between = await waiting, asked()
        store.advance_clock(first[1] + 1)
        _, newer = await reader.pointer()
        assert leaving.cancelled()
        assert {clock for _, clock in found} == {first[1]}
        assert newer == first[1] + 1
        await reader.close()
        return between - before, asked() - between

    assert asyncio.run(in_two_ticks()) == (1, 1)


def test_one_reader_s_fault_is_not_another_s(store: Store, store_url: str, entity: str) -> None:
    broken = fresh()
    store.redis.set(speed_key(broken), "no hash", ex=60)
    commit(store, entity, 0, record(entity))

    async def asked() -> list[object]:
        reader = AsyncStore(store_url)
        both = [reader.read_many([broken, entity], ["churn"]), reader.read(entity, ["churn"])]
        found: list[object] = await asyncio.gather(*both, return_exceptions=True)
        await reader.close()
        return found

    fault, reading = asyncio.run(asked())
    assert isinstance(fault, StoreError)
    assert isinstance(reading, Reading)
    assert decode(reading.records["churn"][1] or b"") == record(entity)


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
