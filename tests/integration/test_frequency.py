"""The frequency cap over HTTP and a real store: what was shown too often gives way, and nobody waits for the count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from served import served, wait_for
from store_server import StoreServer
from typer.testing import CliRunner

from jobs.cli import app as console
from lambda_arch.clock import DAY, HOUR, rfc3339
from lambda_arch.config import Config, load_config
from lambda_arch.erasures import Erasure, person_of
from lambda_arch.exposures import Exposure, note_exposures
from lambda_arch.fidelity import FidelityTable
from lambda_arch.forgetting import forget, note
from lambda_arch.keys import exposures_key
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.store import Store
from lambda_arch.tiles import MILLION, Profile, Seen, Tile

pytestmark = pytest.mark.servers
WHO = "viewer"
RULES = """
placements:
  default: {frequency_cap: {times: 2, days: 7}}
  once: {frequency_cap: {times: 1, days: 2}}
  free: {}
"""


@pytest.fixture
def store(server: StoreServer, small_models: Models) -> Iterator[Store]:
    """A generation that knows of one viewer that they saw `c`; what is popular is c, a, b, d, and then e."""
    store = Store(server.url, 1)
    store.redis.flushdb()
    seen = (Seen(small_models.horizon - 2 * DAY, 1, "c", MILLION),)
    tile = Tile(counts={"view": 1}, first=seen[0].time, last=seen[0].time, history=seen)
    store.publish(2, [("u:fan", {"profile": msgspec.msgpack.encode(Profile(lifetime=tile))})])
    store.put_models(small_models, FidelityTable(2, {}))
    store.flip(2, small_models.horizon)
    store.advance_clock(small_models.horizon + HOUR)
    yield store
    store.redis.close()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def config(server: StoreServer, rules: Path) -> Config:
    found = load_config({"LAMBDA_ARCH__STORE__URL": server.url, "LAMBDA_ARCH__CLOCK": "event"})
    return found.model_copy(update={"serving": found.serving.model_copy(update={"rules": rules})})


@pytest.fixture
def client(config: Config, store: Store) -> Iterator[httpx.Client]:
    with served(config) as client:
        yield client


def ask(client: httpx.Client, parameters: str = "", user: str = WHO) -> Any:
    reply = client.get(f"/v1/users/{user}/recommendations?{parameters}")
    assert reply.status_code == 200, reply.text
    return reply.json()["value"]


def titles(client: httpx.Client, parameters: str = "", user: str = WHO) -> list[str]:
    return [item["title_id"] for item in ask(client, parameters, user)["items"]]


def counted(store: Store, user: str = WHO) -> dict[str, int]:
    found = store.redis.hgetall(exposures_key(f"u:{user}"))
    return {field.decode(): int(times) for field, times in found.items()}


def shows(client: httpx.Client, store: Store, parameters: str, wanted: list[str]) -> None:
    """Ask once, and wait until that is counted."""
    before = sum(counted(store).values())
    assert titles(client, parameters) == wanted
    wait_for(lambda: sum(counted(store).values()) == before + len(wanted))


def test_what_was_shown_as_often_as_the_cap_says_gives_way_to_the_next(client: httpx.Client, store: Store) -> None:
    for wanted in (["c", "a"], ["c", "a"], ["b", "d"]):
        shows(client, store, "n=2", wanted)
    told = ask(client, "n=2&explain=true")
    assert [item["title_id"] for item in told["items"]] == ["b", "d"]
    [rule] = told["explanation"]["removed"]
    assert (rule["rule"], rule["titles"]) == ("frequency_cap 2 in 7 days", 2)
    assert [one["title_id"] for one in rule["of_the_best"]] == ["c", "a"]
    assert titles(client, "n=2&placement=free") == ["c", "a"]
    assert titles(client, "n=5&placement=once") == ["e"]  # shown in whichever placement with a cap
    assert titles(client, "n=2", "somebody-else") == ["c", "a"]
    metrics = client.get("/metrics").text
    assert 'lambda_arch_removed_titles_total{rule="frequency_cap"} 8.0' in metrics
    wait_for(lambda: 'lambda_arch_exposures_total{fate="counted"} 5.0' in client.get("/metrics").text)


def test_many_viewers_asked_for_at_once_are_counted_each(client: httpx.Client, store: Store) -> None:
    asked = {"users": [WHO, "other"], "use_cases": ["recommend"], "n": 3}
    for _ in range(2):
        assert client.post("/v1/predictions", json=asked).status_code == 200
        wait_for(lambda: counted(store) == counted(store, "other") != {})
    wait_for(lambda: sum(counted(store).values()) == sum(counted(store, "other").values()) == 6)


def test_days_pass_and_so_does_the_cap(client: httpx.Client, store: Store, small_models: Models) -> None:
    today = small_models.horizon // DAY
    for wanted in (["c", "a"], ["c", "a"], ["b", "d"]):
        shows(client, store, "n=2", wanted)
    assert 0 < store.redis.ttl(exposures_key(f"u:{WHO}")) <= 7 * 24 * 3600
    store.advance_clock(small_models.horizon + 6 * DAY)
    assert titles(client, "n=2") == ["b", "d"]
    wait_for(lambda: counted(store).get(f"{today + 6}:b") == 1)
    store.advance_clock(small_models.horizon + 7 * DAY)
    assert titles(client, "n=2") == ["c", "a"]
    kept = {f"{today + day}:{title}": 1 for day, both in ((6, "bd"), (7, "ca")) for title in both}
    wait_for(lambda: counted(store) == kept)


def test_a_title_that_was_seen_after_it_was_shown_may_be_shown_again(client: httpx.Client, store: Store) -> None:
    shown_before = {f"{day}:{title}": 5 for day in (16_798, 16_799) for title in "ca"}
    store.redis.hset(exposures_key("u:fan"), mapping=shown_before)  # the day it was seen, and the day before
    told = ask(client, "n=9&seen=true&explain=true", "fan")
    assert "c" in [item["title_id"] for item in told["items"]]
    assert [[one["title_id"] for one in rule["of_the_best"]] for rule in told["explanation"]["removed"]] == [["a"]]


def test_a_cap_comes_and_goes_with_the_file_and_without_one_nothing_is_counted(
    client: httpx.Client, store: Store, rules: Path
) -> None:
    rules.write_text("placements: {}  # none")
    wait_for(lambda: ask(client, "explain=true")["explanation"]["rules"] == 2)
    assert [titles(client, "n=2") for _ in range(4)] == [["c", "a"]] * 4
    rules.write_text("placements: {default: {frequency_cap: {times: 1, days: 1}}}")
    wait_for(lambda: ask(client, "explain=true")["explanation"]["rules"] == 3)
    shows(client, store, "n=1", ["c"])
    shows(client, store, "n=1", ["a"])
    assert sum(counted(store).values()) == 2


def test_a_store_that_cannot_be_written_keeps_nobody_from_an_answer(client: httpx.Client, store: Store) -> None:
    shows(client, store, "n=2", ["c", "a"])
    store.redis.config_set("maxmemory-policy", "noeviction")
    store.redis.config_set("maxmemory", 1)
    try:
        assert [titles(client, "n=2") for _ in range(3)] == [["c", "a"]] * 3
        wait_for(lambda: 'lambda_arch_exposures_total{fate="dropped"} 3.0' in client.get("/metrics").text)
    finally:
        store.redis.config_set("maxmemory", 0)
    shows(client, store, "n=2", ["c", "a"])
    assert titles(client, "n=2") == ["b", "d"]


def test_the_command_line_keeps_to_the_cap_and_is_not_counted(
    client: httpx.Client, store: Store, config: Config, rules: Path
) -> None:
    for wanted in (["c", "a"], ["c", "a"]):
        shows(client, store, "n=2", wanted)
    environment = {"LAMBDA_ARCH__STORE__URL": config.store.url, "LAMBDA_ARCH__CLOCK": "event",
                   "LAMBDA_ARCH__SERVING__RULES": str(rules)}  # fmt: skip
    for _ in range(3):
        told = CliRunner().invoke(console, ["recommend", WHO, "--n", "2", "--json"], env=environment)
        assert [item["title_id"] for item in json.loads(told.output)["value"]["items"]] == ["b", "d"]
    assert sum(counted(store).values()) == 4


def test_what_was_shown_is_exported_and_erased_with_the_person(client: httpx.Client, store: Store) -> None:
    shows(client, store, "n=2", ["c", "a"])
    assert client.get(f"/v1/users/{WHO}/export").json()["exposures"] == {"2016-01-02": {"a": 1, "c": 1}}
    forget(store, WHO)
    assert client.get(f"/v1/users/{WHO}/export").json()["exposures"] == {}
    assert store.redis.keys("la:{u:viewer}:x") == []


def test_an_answer_of_before_an_erasure_is_not_counted_after_it(store: Store, config: Config) -> None:
    moment = store.event_now()
    note(store, [Erasure(person=person_of(WHO), moment=moment, asked_at=rfc3339(moment))])

    async def noted() -> None:
        reads = AsyncStore(config.store.url)
        before, after = Exposure(WHO, ["a"], moment, 7), Exposure("other", ["a"], moment, 7)
        await note_exposures(reads, [before, after])
        assert (counted(store), len(counted(store, "other"))) == ({}, 1)
        await note_exposures(reads, [Exposure(WHO, ["b"], moment + 1, 7)])  # of who came back
        await reads.close()

    asyncio.run(noted())
    assert list(counted(store).values()) == [1]
