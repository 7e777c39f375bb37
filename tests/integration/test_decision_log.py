"""The decision log over a real broker and store: the sample alone, decided again, never in an answer's way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer
from in_process import asked
from pyspark.sql import SparkSession
from store_server import free_port
from typer.testing import CliRunner, Result

from deploy import servers
from deploy.ports import on_free_ports
from jobs.cli import app as console
from lambda_arch.clock import DAY, EPOCH, HOUR, parse_rfc3339, rfc3339
from lambda_arch.commits import Commit
from lambda_arch.config import Config, load_config
from lambda_arch.experiments import Arm, Experiment
from lambda_arch.fidelity import FidelityTable, Measure
from lambda_arch.lake import Lake
from lambda_arch.models import Models
from lambda_arch.records import Prediction, UseCase, encode
from lambda_arch.schemas import EVENT
from lambda_arch.store import Store
from lambda_arch.tables import EVENTS
from lambda_arch.topic_reader import TopicError
from serving.app import create_app
from serving.decision_log import sampled
from serving.decision_topic import logged
from serving.entries import Entry, encode_entry

pytestmark = pytest.mark.servers
FETCHED = Path(__file__).resolve().parents[2] / "var" / "jars"
HORIZON = parse_rfc3339("2016-01-02T00:00:00Z")  # of small_models
NOW = HORIZON + 5 * HOUR
SHARE = 0.5
USERS = [str(number) for number in range(60)]
VALUES: dict[UseCase, dict[str, Any]] = {
    "recommend": {"titles": ["b", "zz", "a"], "scores": [0.9, 0.5, 0.1]},
    "segment": {"segment": 0, "name": "casual", "distance": 0.5},
    "churn": {"probability": 0.31, "at_risk": False, "cutoff": 0.4},
}
FIDELITY = FidelityTable(2, {"churn": {
    "batch": {"2-4": Measure(-0.5, 0.01, 99)}, "speed": {"2-4": Measure(-0.4, 0.01, 99)},
}})  # fmt: skip


def record(use_case: UseCase, entity: str, layer: str) -> Prediction:
    as_of, evidence = (HORIZON - HOUR, 10) if layer == "batch" else (NOW - HOUR, 13)
    return Prediction(
        use_case=use_case, entity=entity, value=VALUES[use_case], layer=layer, model="m",  # type: ignore[arg-type]
        model_version=2, as_of=rfc3339(as_of), evidence=evidence, generation=2, written_at=rfc3339(NOW),
    )  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A broker, and a store in which the first half of the users is known to both layers."""
    own = on_free_ports(load_config({"LAMBDA_ARCH__CLOCK": "event"}), tmp_path_factory.mktemp("decisions") / "var")
    with servers.running(own, ["kafka", "store"], jars=FETCHED if FETCHED.is_dir() else None):
        yield with_log(own, share=SHARE)


@pytest.fixture(scope="module")
def entries(config: Config, small_models: Models) -> list[Entry]:
    """Everybody was asked about twice, over HTTP, and the API ended."""
    store = Store(config.store.url, 1)
    store.put_models(small_models, FIDELITY)
    store.flip(2, HORIZON)
    store.advance_clock(NOW)
    for user in USERS[: len(USERS) // 2]:
        entity = f"u:{user}"
        store.publish(2, [(entity, {use_case: encode(record(use_case, entity, "batch")) for use_case in VALUES})])
        store.commit([Commit(entity, 0, 0, b"", [record(use_case, entity, "speed") for use_case in VALUES])])
    questions = [f"/v1/users/{user}/{question}" for user in USERS for question in ("churn", "recommendations?n=2")]
    assert {reply.status_code for reply in asked(create_app(config), questions)} == {200}
    return [found.entry for found in logged(config.kafka) if found.entry]


def with_log(config: Config, **changes: Any) -> Config:
    decisions = config.serving.decisions.model_copy(update=changes)
    return config.model_copy(update={"serving": config.serving.model_copy(update={"decisions": decisions})})


def invoked(config: Config, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("LAMBDA_ARCH__KAFKA__BOOTSTRAP", config.kafka.bootstrap)
    monkeypatch.setenv("LAMBDA_ARCH__STORE__URL", config.store.url)
    return CliRunner().invoke(console, ["decisions", *arguments])


def test_the_sample_is_logged_and_nobody_else(entries: list[Entry]) -> None:
    questions = {(f"u:{user}", use_case) for user in USERS for use_case in ("churn", "recommend")}
    chosen = {(entity, use_case) for entity, use_case in questions if sampled(entity, SHARE)}
    assert {(entry.entity, entry.use_case) for entry in entries} == chosen
    assert len(entries) == len(chosen)
    assert 10 < len(chosen) < len(questions) - 10


def test_an_entry_has_what_was_stored_and_what_was_sent(config: Config, entries: list[Entry]) -> None:
    [user] = [user for user in USERS if sampled(f"u:{user}", SHARE)][:1]
    [churn] = [entry for entry in entries if (entry.entity, entry.use_case) == (f"u:{user}", "churn")]
    store = Store(config.store.url, 1)
    assert churn.stored["churn"][0] == store.entity(f"u:{user}", 2)["churn"]
    assert (churn.answer.layer, churn.answer.decision.rule) == ("speed", "fidelity")
    assert churn.fidelity is not None
    assert churn.fidelity.of("churn", "batch", 3) == Measure(-0.5, 0.01, 99)
    [titles] = [entry for entry in entries if (entry.entity, entry.use_case) == (f"u:{user}", "recommend")]
    assert titles.shown == ["b", "zz"]
    assert churn.shown is None


def test_every_answer_comes_out_again(config: Config, entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    done = invoked(config, monkeypatch, "replay", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["same"], told["different"]) == (0, len(entries), 0)
    assert {entry.answer.layer for entry in entries} == {"speed", "fallback"}


def test_decisions_are_listed_newest_last(
    config: Config, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = json.loads(invoked(config, monkeypatch, "list", "--use-case", "churn", "--limit", "3", "--json").stdout)
    newest = sorted((entry for entry in entries if entry.use_case == "churn"), key=lambda entry: entry.written_at)
    assert [row["entity"] for row in rows] == [entry.entity for entry in newest[-3:]]
    assert "fallback" in invoked(config, monkeypatch, "list", "--entity", rows[-1]["entity"]).stdout


def test_an_answer_that_was_not_the_arbiters_is_found(
    config: Config, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = config.kafka.topics.model_copy(update={"decisions": config.kafka.topics.quarantine})  # a topic of its own
    monkeypatch.setenv("LAMBDA_ARCH__KAFKA__TOPICS__DECISIONS", own.decisions)
    [entry] = [entry for entry in entries if entry.answer.layer == "speed"][:1]
    forged = msgspec.structs.replace(entry, answer=msgspec.structs.replace(entry.answer, model="another"))
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap})
    for value in (encode_entry(entry), encode_entry(forged), b"no entry"):
        producer.produce(own.decisions, value, partition=0)
    producer.flush(10)
    done = invoked(config, monkeypatch, "replay", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["same"], told["different"], told["unreadable"]) == (1, 1, 1, 1)
    assert [row.get("field") for row in told["differences"]] == ["model", None]


def test_arms_are_in_the_log_and_shadows_beside_what_was_sent(config: Config, entries: list[Entry]) -> None:
    arms = {"control": Arm(weight=1), "batch": Arm(weight=1, policy={"rule": "batch_first"})}
    hidden = {"control": Arm(weight=1), "speed": Arm(weight=9, policy={"rule": "speed_first"})}
    tried = (
        Experiment(name="shown", use_case="churn", arms=arms),
        Experiment(name="hidden", use_case="churn", arms=hidden, shadow=True),
    )
    serving = config.serving.model_copy(update={"experiments": tried})
    own = with_log(config.model_copy(update={"serving": serving}), share=1.0)
    known, before = USERS[: len(USERS) // 2], {(entry.entity, entry.written_at) for entry in entries}
    *replies, told = asked(create_app(own), [*(f"/v1/users/{user}/churn" for user in known), "/v1/experiments"])
    assert [one["name"] for one in told.json()["experiments"]] == ["shown", "hidden"]
    found = [one.entry for one in logged(config.kafka) if one.entry]
    new = [entry for entry in found if (entry.entity, entry.written_at) not in before]
    sent, shadows = ([entry for entry in new if entry.shadow == shadow] for shadow in (False, True))
    for user, reply in zip(known, replies, strict=True):
        [entry] = [entry for entry in sent if entry.entity == f"u:{user}"]
        assert entry.arms == {"shown": tried[0].arm_of(f"u:{user}")}
        rule = "batch_first" if entry.arms["shown"] == "batch" else "fidelity"
        assert reply.json()["decision"]["rule"] == entry.answer.decision.rule == rule
    assert {entry.arms["hidden"] for entry in shadows} == {"control", "speed"}
    assert all(entry.answer.decision.rule == "speed_first" for entry in shadows if entry.arms["hidden"] == "speed")


def test_a_topic_that_is_not_there_is_named_with_the_remedy(config: Config) -> None:
    away = config.kafka.topics.model_copy(update={"decisions": "nowhere"})
    with pytest.raises(TopicError, match=r"topic nowhere: .*; `lambda-arch up` creates it, or"):
        list(logged(config.kafka.model_copy(update={"topics": away})))


@pytest.mark.spark
def test_what_was_then_watched_is_found_in_the_lake_and_kept_for_the_api(
    config: Config, entries: list[Entry], spark: SparkSession, tmp_path: Path
) -> None:
    lists = [entry for entry in entries if entry.use_case == "recommend"]
    watched = {entry.entity: (entry.now + HOUR, (entry.shown or [])[0]) for entry in lists[::2]}
    moments = [*watched.values(), (NOW + 3 * DAY, "a")]  # by the last one everybody's hours have passed
    users = [*(entity.removeprefix("u:") for entity in watched), "somebody else"]
    rows = [viewed(user, title, moment) for user, (moment, title) in zip(users, moments, strict=True)]
    lake = Lake(spark, str(tmp_path / "lake"), "test")
    lake.create(EVENTS)
    lake.append(spark.createDataFrame(rows, EVENT), EVENTS)
    environ = {
        "LAMBDA_ARCH__KAFKA__BOOTSTRAP": config.kafka.bootstrap, "LAMBDA_ARCH__STORE__URL": config.store.url,
        "LAMBDA_ARCH__PATHS__LAKE": str(tmp_path / "lake"),
    }  # fmt: skip
    command = [sys.executable, "-m", "jobs.cli", "hit-rate", "--json"]
    done = subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=True, timeout=300)
    told = json.loads(done.stdout)
    hits = {
        layer: [entry.entity in watched for entry in lists if entry.answer.layer == layer] for layer in told["layers"]
    }
    assert {layer: (one["lists"], one["hit_rate"]) for layer, one in told["layers"].items()} == {
        layer: (len(found), pytest.approx(np.mean(found), abs=1e-6)) for layer, found in hits.items()
    }
    assert set(hits) == {"speed", "fallback"}
    [reply] = asked(create_app(config), ["/v1/hit-rate"])
    assert reply.json() == told


def viewed(user: str, title: str, moment: int) -> dict[str, Any]:
    at = EPOCH + timedelta(microseconds=moment)
    known = {"event_id": f"{user}-{moment}", "user_id": user, "title_id": title, "event_type": "view", "event_time": at}
    return {field.name: (known | {"event_date": at.date()}).get(field.name) for field in EVENT.fields}


def test_without_a_broker_answers_are_given_and_what_is_lost_is_counted(
    config: Config, entries: list[Entry], capfd: pytest.CaptureFixture[str]
) -> None:
    kafka = config.kafka.model_copy(update={"bootstrap": f"127.0.0.1:{free_port()}"})
    away = with_log(config.model_copy(update={"kafka": kafka}), share=1.0, buffer=5)
    app = create_app(away)
    replies = asked(app, [f"/v1/users/{user}/churn" for user in USERS])
    assert {reply.status_code for reply in replies} == {200}
    text = app.state.desk.metrics.exposition().decode()
    assert f'lambda_arch_logged_decisions_total{{fate="dropped"}} {len(USERS)}.0' in text
    assert capfd.readouterr().out.count("decisions are not logged") == 1
