"""One person is erased, from real store, broker and lake: nothing is left, nothing comes back, others stay."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from archived import Row, archived, empty_store, put_generation, streamed
from confluent_kafka import Producer
from pyspark.sql import SparkSession
from served import served
from speed_stack import speed_config
from store_content import content
from test_apply import event
from typer.testing import CliRunner

from batch.conform import conform_bronze
from batch.erasing import TOUCHED, held
from batch.republish import republish
from deploy import servers
from jobs.cli import app
from jobs.erase import gathered
from lambda_arch.clock import HOUR, parse_rfc3339, rfc3339
from lambda_arch.config import Config, ConfigError
from lambda_arch.erasures import person_of
from lambda_arch.forgetting import noted
from lambda_arch.generations import forget_silent
from lambda_arch.keys import CLOCK_KEY, ERASURES_KEY, exposures_key, speed_key
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.new_titles import forget_stateless
from lambda_arch.schemas import RAW
from lambda_arch.store import Store
from lambda_arch.tables import BRONZE, EVENTS, PREDICTIONS, TABLES, Table
from lambda_arch.topic_reader import whole
from streaming.apply import Applier
from streaming.replay import replay

pytestmark = [pytest.mark.servers, pytest.mark.spark]
JARS = Path(__file__).resolve().parents[2] / "var" / "jars"
DATABASE, WHO, OTHER = 13, "user-1", "user-2"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """The configuration of a real broker."""
    config = speed_config(tmp_path_factory.mktemp("erasure"))
    with servers.running(config, ["kafka"], jars=JARS if JARS.is_dir() else None):
        yield config


@pytest.fixture
def spoken(config: Config, broker: Config, store_url: str, small_models: Models) -> Iterator[tuple[Config, Store]]:
    """The store of a stream, without a lake, and the broker."""
    config = config.model_copy(update={"kafka": broker.kafka, "clock": "event"})
    config, store = empty_store(config, store_url, DATABASE)
    put_generation(store, small_models)
    newest = small_models.horizon + HOUR
    events = [event(offset, newest - offset, user) for offset, user in enumerate((WHO, OTHER, WHO))]
    Applier(store, config.features.history_limit, config.batch.top_n).apply_records(events)
    yield config, store
    store.redis.flushdb()


@pytest.fixture
def stack(
    lake: Lake, config: Config, broker: Config, store_url: str, small_models: Models
) -> Iterator[tuple[Config, Store, list[Row]]]:
    """A lake, the store of a generation and of a stream, and the broker."""
    config = config.model_copy(update={"kafka": broker.kafka, "clock": "event"})
    config, store, rows = archived(lake, config, store_url, DATABASE, small_models)
    yield config, store, rows
    store.redis.flushdb()


def said(store: Store, user: str) -> list[bytes]:
    """The keys of the whole store that name a user or whose content does, but for the version that outlives a state."""
    read: dict[bytes, Any] = {
        b"string": store.redis.get,
        b"hash": store.redis.hgetall,
        b"zset": lambda key: store.redis.zrange(key, 0, -1),
    }
    contents = {key: (key, read[store.redis.type(key)](key)) for key in store.redis.keys("*")}
    fence = (speed_key(f"u:{user}").encode(), [b"v"])
    found = [key for key, content in contents.items() if re.search(rf"{user}(?!\d)", str(content))]
    return sorted(key for key in found if (key, list(contents[key][1])) != fence)


def others(store: Store) -> dict[str, Any]:
    return {entity: found for entity, found in content(store).items() if WHO not in str(entity)}


def rows_of(lake: Lake, user: str, config: Config) -> dict[str, int]:
    return {table: len(rows) for table, rows in held(lake, user, config).items()}


def naming(lake: Lake, table: Table, user: str) -> list[Path]:
    """The files of a table that name a user, be it data of whatever version or the table's log."""
    quoted = re.compile(rf"(?<![\w-]){user}(?![\w-])")
    files = [path for path in Path(lake.path(table)).rglob("*") if path.is_file()]
    return [path for path in files if quoted.search(text_of(path))]


def text_of(path: Path) -> str:
    """A file's content as text: of Parquet the rows."""
    if path.suffix == ".parquet":
        return str(pq.read_table(path, partitioning=None).to_pylist())
    return path.read_bytes().decode(errors="replace")


def commands(config: Config, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command with these settings and the test's own Spark session; answers what it prints."""
    for job in ("jobs.erase", "jobs.export_user"):
        monkeypatch.setattr(f"{job}.load_config", lambda: config)
        monkeypatch.setattr(f"{job}.opened_lake", lambda *named: nullcontext(lake))
    return lambda *words: CliRunner().invoke(app, words, catch_exceptions=False).stdout


def announce(config: Config, key: str, as_of: str) -> None:
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap})
    told = {"use_case": "churn", "entity": key.partition(":")[2], "value": {}, "layer": "speed", "model": "m",
            "model_version": 1, "as_of": as_of, "evidence": 1, "generation": 2, "written_at": as_of,
            "schema": 1}  # fmt: skip
    producer.produce(config.kafka.topics.predictions, json.dumps(told).encode(), key)
    producer.flush()


def announced(config: Config) -> set[str]:
    """The keys of which the topic's newest record says something."""
    newest = {
        message.key(): message.value() for message in whole(config.kafka.bootstrap, config.kafka.topics.predictions)
    }
    return {key.decode() for key, value in newest.items() if isinstance(key, bytes) and value}


def erased_over_http(client: httpx.Client, user: str) -> int:
    reply = client.delete(f"/v1/users/{user}")
    assert reply.status_code == 202, reply.text
    return parse_rfc3339(reply.json()["erased_until"])


def test_nothing_of_a_person_is_left_and_nothing_comes_back(
    lake: Lake, spark: SparkSession, stack: tuple[Config, Store, list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, store, rows = stack
    command = commands(config, lake, monkeypatch)
    before, counted = others(store), rows_of(lake, OTHER, config)
    lists = {key for key in said(store, WHO) if key.startswith((b"la:audience:", b"la:said:"))}
    assert {key.split(b":")[1] for key in lists} == {b"audience", b"said"}
    announce(config, f"churn:u:{WHO}", "2016-01-01T00:00:00.000000Z")
    store.redis.hset(exposures_key(f"u:{WHO}"), "16801:a", 1)
    with served(config) as client:
        exported = client.get(f"/v1/users/{WHO}/export").json()
        assert exported["batch"][0]["records"]
        assert exported["batch"][0]["profile"]["lifetime"]["counts"]
        assert exported["speed"]["days"]
        moment = erased_over_http(client, WHO)
        assert client.get(f"/v1/users/{WHO}/churn").json()["layer"] == "fallback"
        again = client.get(f"/v1/users/{WHO}/export").json()
        assert (again["batch"][0]["records"], again["speed"]["records"], again["speed"]["days"]) == ({}, {}, {})
    assert (said(store, WHO), others(store)) == ([], before)
    assert f"churn:u:{WHO}" not in announced(config)

    # A scorer that is late, an announcement that was on its way, and a store that is lost.
    streamed(spark, config, store, rows)
    assert (said(store, WHO), others(store)) == ([], before)
    announce(config, f"churn:u:{WHO}", "2016-01-01T00:00:00.000000Z")
    announce(config, f"churn:u:{OTHER}", "2016-01-01T00:00:00.000000Z")
    store.redis.flushdb()
    [erasure] = gathered(config, store)
    assert (erasure.person, erasure.moment) == (person_of(WHO), moment)

    assert len(json.loads(command("export-user", WHO))["lake"][EVENTS.name]) > 0
    assert {table for table in TOUCHED if naming(lake, table, WHO)} >= {BRONZE, EVENTS, PREDICTIONS}
    told = json.loads(command("erase", "--apply", "--vacuum-hours", "0", "--json"))
    assert told.keys() == {"erasures", "newest", "rows", "withdrawn"}
    assert (told["erasures"], told["newest"], told["withdrawn"]) == (1, erasure.asked_at, 1)
    assert told["rows"].keys() == {table.name for table in TOUCHED}
    assert all(told["rows"][table.name] > 0 for table in (BRONZE, EVENTS, PREDICTIONS))
    assert [path for table in TABLES for path in naming(lake, table, WHO)] == []
    assert rows_of(lake, OTHER, config) == counted
    assert announced(config) == {f"churn:u:{OTHER}"}

    # Once more there is nothing to do.
    assert command("erase", "--apply").startswith("deleted: 0 rows of ")
    exported = json.loads(command("export-user", WHO))
    assert (set(map(len, exported["lake"].values())), exported["erased_until"]) == ({0}, rfc3339(moment))
    with pytest.raises(ConfigError, match="nobody is known as somebody"):
        command("export-user", "somebody")

    # Rebuilt from the lake, to which a straggler has come meanwhile.
    straggler = next(row for row in rows if row[4] == WHO.encode() and row[5].startswith(b"{"))
    lake.append(spark.createDataFrame([straggler], RAW), BRONZE)
    conform_bronze(lake, config)
    store.redis.flushdb()
    republish(lake, store, config)
    replay(lake, store, config)
    assert (said(store, WHO), others(store)) == ([], before)
    assert set(rows_of(lake, WHO, config).values()) == {0}
    assert noted(store).keys() == {person_of(WHO)}


def test_who_comes_back_is_a_new_person(spoken: tuple[Config, Store]) -> None:
    config, store = spoken
    with served(config) as client:
        moment = erased_over_http(client, WHO)
        later = erased_over_http(client, WHO)
    assert later == moment
    old, new = event(9_999, moment, WHO), event(10_002, moment + HOUR, WHO)
    Applier(store, config.features.history_limit, config.batch.top_n).apply_records([old, new])
    record = json.loads(store.redis.hget(speed_key(f"u:{WHO}"), "recommend"))
    assert record["evidence"] == 1


def test_an_erasure_never_gets_an_earlier_moment_than_the_one_before(spoken: tuple[Config, Store]) -> None:
    config, store = spoken
    ahead = store.event_now()
    with served(config) as client:
        first = erased_over_http(client, WHO)
        store.redis.delete(CLOCK_KEY)  # the clock is behind what was seen of the person, who is gone now
        assert (erased_over_http(client, WHO), first) == (ahead, ahead)
        assert client.get(f"/v1/users/{WHO}/export").json()["erased_until"] == rfc3339(ahead)


def test_nobody_is_erased_by_a_wrong_method(spoken: tuple[Config, Store]) -> None:
    config, store = spoken
    with served(config) as client:
        for question in ("recommendations", "segment", "churn", "layers", "explain", "export"):
            assert client.delete(f"/v1/users/{WHO}/{question}").status_code == 405
            assert client.delete(f"/v1/users/a/b%2F{question}/%73egment").status_code == 405
    assert noted(store) == {}


def test_ids_with_slashes_are_erased_over_http_whatever_they_end_in(spoken: tuple[Config, Store]) -> None:
    config, store = spoken
    sent = {"a/b": "a/b", "a%2Fb": "a/b", "a%2Fchurn": "a/churn", "%2Fexport": "/export", "churn": "churn"}
    with served(config) as client:
        assert {client.delete(f"/v1/users/{one}").json()["user_id"] for one in sent} == set(sent.values())
    assert noted(store).keys() == set(map(person_of, sent.values()))


def test_a_person_is_erased_by_command_as_over_http(
    spoken: tuple[Config, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, store = spoken
    announce(config, f"churn:u:{WHO}", "2016-01-01T00:00:00.000000Z")
    monkeypatch.setattr("jobs.erase.load_config", lambda: config)
    told = json.loads(CliRunner().invoke(app, ["erase", WHO, "--json"], catch_exceptions=False).stdout)
    assert (told["user_id"], parse_rfc3339(told["erased_until"])) == (WHO, store.event_now())
    assert told["erasures"] >= 1
    assert (said(store, WHO), WHO in str(store.redis.hgetall(ERASURES_KEY))) == ([], False)
    assert said(store, OTHER)
    assert f"churn:u:{WHO}" not in announced(config)


def test_a_scorer_that_had_read_the_state_cannot_write_it_again(spoken: tuple[Config, Store]) -> None:
    config, store = spoken
    raced: list[int] = []

    class Racing(Store):
        """Somebody is erased between a scorer's read and its write."""

        def commit(self, commits: Any) -> Any:
            if not raced:
                with served(config) as client:
                    raced.append(erased_over_http(client, WHO))
            return super().commit(commits)

    racing = Racing(config.store.url, 1)
    newest = store.event_now()
    Applier(racing, config.features.history_limit, config.batch.top_n).apply_records([event(10_000, newest, WHO)])
    assert raced
    # As every night does: a scorer notes a user also where its write is refused.
    forget_silent(store)
    forget_stateless(store)
    assert said(store, WHO) == []


def test_without_a_broker_nothing_is_half_erased(spoken: tuple[Config, Store]) -> None:
    config, store = spoken
    away = config.kafka.model_copy(update={"bootstrap": "127.0.0.1:1"})
    quick = config.serving.model_copy(update={"delivery_seconds": 1})
    before = said(store, WHO)
    with served(config.model_copy(update={"kafka": away, "serving": quick})) as client:
        reply = client.delete(f"/v1/users/{WHO}")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert "nothing was erased" in reply.json()["detail"]
    assert (said(store, WHO), noted(store)) == (before, {})
