"""The store as a real cluster of three servers: publish, flip, apply, read, roll back, and a server that dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from store_cluster import StoreCluster

from lambda_arch.clock import rfc3339
from lambda_arch.commits import Commit
from lambda_arch.config import load_config
from lambda_arch.erasures import Erasure, person_of
from lambda_arch.exposures import Exposure, note_exposures, shown
from lambda_arch.fidelity import FidelityTable
from lambda_arch.forgetting import note
from lambda_arch.generations import faults, retire, roll_back
from lambda_arch.keys import speed_key
from lambda_arch.lease import NightRunsError, night_lease
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.records import Prediction, decode, encode
from lambda_arch.scorers import put_scorer, scorers
from lambda_arch.slots import slot_of
from lambda_arch.store import Store, StoreError
from serving.answers import Answers

pytestmark = pytest.mark.servers
USERS = [f"u:{user}" for user in range(60)]


def record(entity: str, generation: int, layer: str = "batch", evidence: int = 1) -> Prediction:
    value = {"probability": 0.5, "at_risk": True, "cutoff": 0.4}
    return Prediction(
        use_case="churn", entity=entity, value=value, layer=layer, model="m",  # type: ignore[arg-type]
        model_version=1, as_of=rfc3339(evidence), evidence=evidence, generation=generation, written_at=rfc3339(0),
    )  # fmt: skip


def publish(store: Store, models: Models, generation: int) -> None:
    """A whole generation of sixty users."""
    rows = ((user, {"profile": b"p", "churn": encode(record(user, generation))}) for user in USERS)
    store.reserve(generation, generation)
    assert store.publish(generation, rows, batch=25) == len(USERS)
    store.put_models(msgspec.structs.replace(models, generation=generation), FidelityTable(generation, {}))
    store.put_report(generation, msgspec.json.encode({"users": len(USERS), "titles": 0}))
    store.flip(generation, generation)


async def generations_read(reader: AsyncStore) -> set[tuple[int, int]]:
    """(generation of the pointer, of the record) over all users, asked one by one in one tick."""
    readings = await asyncio.gather(*(reader.read(user, ["churn"]) for user in USERS))
    return {(one.generations.current, decode(one.records["churn"][0] or b"").generation) for one in readings}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreCluster]:
    cluster = StoreCluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def store(cluster: StoreCluster) -> Iterator[Store]:
    store = Store(cluster.url, 1)
    store.redis.flushall()
    yield store
    store.redis.close()


def test_publish_flip_read_and_roll_back(cluster: StoreCluster, store: Store, small_models: Models) -> None:
    async def seen() -> list[set[tuple[int, int]]]:
        reader = AsyncStore(cluster.url)
        found = []
        for generation in (1, 2):
            publish(store, small_models, generation)
            found.append(await generations_read(reader))
        roll_back(store)
        found.append(await generations_read(reader))
        models = await reader.models(1)
        assert models is not None
        assert models.catalogue == small_models.catalogue
        await reader.close()
        return found

    assert len({slot_of(speed_key(user)) * 3 // 16384 for user in USERS}) == 3
    assert asyncio.run(seen()) == [{(1, 1)}, {(2, 2)}, {(1, 1)}]
    assert faults(store, 2) is None
    assert retire(store, (1,)) == len(USERS) + 2
    assert faults(store, 1) is None


def test_what_is_applied_is_compared_and_set(cluster: StoreCluster, store: Store) -> None:
    commits = [Commit(user, 0, 0, b"state", [record(user, 1, "speed", 3)]) for user in USERS]
    assert [(one.written, one.refused) for one in store.commit(commits)] == [(True, 0)] * len(USERS)
    assert not any(one.written for one in store.commit(commits))
    assert {(one.state, one.version) for one in store.read_entities(USERS, 1)} == {(b"state", 1)}
    assert [one.evidence for one in store.said(USERS)] == [3] * len(USERS)
    assert dict(store.speed_states()) == dict.fromkeys(USERS, b"state")
    walked, cursor = [], -1
    while cursor:
        cursor, found = store.speed_entities(max(0, cursor), 10)
        walked += found
    assert sorted(walked) == sorted(USERS)


def test_what_is_shown_is_counted_and_read_with_the_records(cluster: StoreCluster, store: Store) -> None:
    note(store, [Erasure(person=person_of(USERS[0][2:]), moment=1, asked_at="")])

    async def read() -> list[list[tuple[str, int]]]:
        reader = AsyncStore(cluster.url)
        for _ in range(2):
            await note_exposures(reader, [Exposure(user[2:], ["a"], 1, 7) for user in USERS])
        readings = await reader.read_many(USERS, ("churn",), exposures=True)
        await reader.close()
        return [[(one.title, one.times) for one in shown(reading.exposures)] for reading in readings]

    assert asyncio.run(read()) == [[], *[[("a", 2)]] * (len(USERS) - 1)]


def test_clock_lease_and_what_scorers_tell(cluster: StoreCluster, store: Store) -> None:
    for moment in (2, 1):
        store.advance_clock(moment)
    assert store.event_now() == 2
    with night_lease(store, 0, 0), pytest.raises(NightRunsError), night_lease(store, 0, 0):
        pass
    with night_lease(store, 0, 0):
        pass
    for scorer in ("a", "b"):
        put_scorer(store, scorer, scorer.encode())
    assert scorers(store) == [b"a", b"b"]


def test_a_replica_takes_a_dead_master_s_place_and_answers_recover(tmp_path: Path, small_models: Models) -> None:
    cluster = StoreCluster(tmp_path, replicas=True)
    cluster.start()
    store = Store(cluster.url, 1)
    publish(store, small_models, 1)
    store.redis.wait(1, 1000, target_nodes="primaries")
    config = load_config({"LAMBDA_ARCH__STORE__URL": cluster.url, "LAMBDA_ARCH__CLOCK": "event"})

    async def layers(answers: Answers) -> list[str]:
        return [answer.layer for answer in await asyncio.gather(*(answers.answer("churn", user) for user in USERS))]

    async def through_a_failover() -> set[str]:
        answers, reasons = Answers(AsyncStore(cluster.url), config), set()
        assert await layers(answers) == ["batch"] * len(USERS)
        cluster.kill(cluster.ports[1])
        deadline = time.monotonic() + 30
        while (found := await layers(answers)) != ["batch"] * len(USERS):
            reasons |= set(found)
            assert time.monotonic() < deadline, "never recovered"
            await asyncio.sleep(0.02)
        await answers.close()
        return reasons

    try:
        assert "fallback" in asyncio.run(through_a_failover())
    finally:
        store.redis.close()
        cluster.stop()


def test_a_cluster_that_is_away_is_named() -> None:
    with pytest.raises(StoreError, match="store does not answer"):
        Store("redis+cluster://127.0.0.1:1", 1)
