"""Events and posts over HTTP, into a real broker: what is accepted is there, what is not is told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer
from served import served
from speed_stack import messages, speed_config

from deploy import servers
from lambda_arch.clock import HOUR, rfc3339, wall_now
from lambda_arch.config import Config

pytestmark = pytest.mark.servers
JARS = Path(__file__).resolve().parents[2] / "var" / "jars"
LINES = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A real broker; records may have two thousand bytes."""
    plain = speed_config(tmp_path_factory.mktemp("events"))
    small = plain.events.model_copy(update={"max_bytes": 2000})
    quick = plain.serving.model_copy(update={"delivery_seconds": 3})
    access = quick.access.model_copy(update={"keys_file": plain.paths.var / "keys.json"})
    config = plain.model_copy(update={"events": small, "serving": quick.model_copy(update={"access": access})})
    with servers.running(config, ["kafka"], jars=JARS if JARS.is_dir() else None):
        yield config


@pytest.fixture(scope="module")
def client(config: Config) -> Iterator[httpx.Client]:
    with served(config) as client:
        yield client


def view(identity: str, **changes: Any) -> dict[str, Any]:
    whole = {
        "event_id": identity, "event_type": "view", "user_id": "ann", "title_id": "t1", "value": 0.9,
        "event_time": rfc3339(wall_now()), **changes,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def stored(config: Config, role: str) -> dict[tuple[int, int], tuple[bytes | None, bytes | None]]:
    topic = getattr(config.kafka.topics, role)
    return {(m.partition(), m.offset()): (m.key(), m.value()) for m in messages(config, topic)}  # type: ignore[misc]


def accepted(reply: httpx.Response, count: int) -> list[dict[str, Any]]:
    assert reply.status_code == 202, reply.text
    body = reply.json()
    assert (body["accepted"], len(body["records"])) == (count, count + body["rejected"])
    records: list[dict[str, Any]] = body["records"]
    return records


def test_one_event_is_where_the_reply_says_as_it_was_sent(client: httpx.Client, config: Config) -> None:
    sent = json.dumps(view("one", more={"kept": [1]})).encode()
    [record] = accepted(client.post("/v1/events", content=sent, headers={"Content-Type": "application/json"}), 1)
    assert (record["index"], record["id"], record["status"]) == (0, "one", "accepted")
    assert stored(config, "events")[record["partition"], record["offset"]] == (b"ann", sent)


def test_many_come_as_an_array_or_as_lines(client: httpx.Client, config: Config) -> None:
    sent = [view(f"many-{number}", user_id=f"user {number % 3}") for number in range(120)]
    as_array = accepted(client.post("/v1/events", json=sent), 120)
    lines = "\n".join(json.dumps(event) for event in sent) + "\n\n"
    as_lines = accepted(client.post("/v1/events", content=lines, headers=LINES), 120)
    assert [record["id"] for record in as_array] == [record["id"] for record in as_lines]
    have = stored(config, "events")
    for records in (as_array, as_lines):
        assert [json.loads(have[r["partition"], r["offset"]][1] or b"") for r in records] == sent


def test_a_post_is_keyed_by_its_title_or_else_by_itself(client: httpx.Client, config: Config) -> None:
    time = rfc3339(wall_now())
    posts = [{"post_id": "p1", "text": "good", "event_time": time, "title_id": "t1"},
             {"post_id": "p2", "text": "bad", "event_time": time, "title": "Heat"}]  # fmt: skip
    records = accepted(client.post("/v1/posts", json=posts), 2)
    have = stored(config, "posts")
    assert [have[r["partition"], r["offset"]][0] for r in records] == [b"t1", b"p2"]


def test_one_that_breaks_a_rule_is_named_and_nothing_is_sent(client: httpx.Client, config: Config) -> None:
    before = stored(config, "events")
    late = rfc3339(wall_now() + 2 * HOUR)
    sent = [view("a"), view("b", value=1.5), view("c", event_time=late), 17, view("d", more="x" * 2000)]
    reply = client.post("/v1/events", json=sent)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    records = reply.json()["records"]
    assert [(r["index"], r["status"], r.get("reason"), r.get("field")) for r in records] == [
        (0, "not_sent", None, None), (1, "rejected", "out_of_range:value", "value"),
        (2, "rejected", "bad_time", "event_time"), (3, "rejected", "not_json", None),
        (4, "rejected", "too_large", None),
    ]  # fmt: skip
    assert records[1]["rule"] == "the value of a view is from 0 to 1"
    assert "record 1: out_of_range:value" in reply.json()["detail"]
    assert stored(config, "events") == before


def test_the_valid_ones_are_sent_where_that_is_wanted(client: httpx.Client, config: Config) -> None:
    lines = "\n".join((json.dumps(view("good")), "{", json.dumps(view("bad", user_id=None))))
    records = accepted(client.post("/v1/events?partial=true", content=lines, headers=LINES), 1)
    assert [(r["status"], r.get("reason")) for r in records] == [
        ("accepted", None), ("rejected", "not_json"), ("rejected", "missing_field:user_id"),
    ]  # fmt: skip
    assert (records[0]["partition"], records[0]["offset"]) in stored(config, "events")
    assert client.post("/v1/events?partial=true", content="{", headers=LINES).status_code == 422


@pytest.mark.parametrize(
    ("content", "media_type", "status", "told"),
    [
        pytest.param(b"[{", "application/json", 400, "no JSON array", id="an array that ends too early"),
        pytest.param(b"[]", "application/json", 400, "have 0", id="nothing at all"),
        pytest.param(b"\n\n", "application/jsonl", 400, "have 0", id="empty lines"),
        pytest.param(b"{}\n" * 1001, "application/x-ndjson", 413, "have 1001", id="too many"),
        pytest.param(b"", "application/json", 422, "not_json", id="an empty body"),
        pytest.param(b"[" * 100_000, "application/json", 400, "no JSON array", id="nested without end"),
        pytest.param(b"\xff\xfe", "application/json", 422, "not_json", id="no text"),
        pytest.param(b"a=1", "application/x-www-form-urlencoded", 415, "want application/json", id="a form"),
        pytest.param(b"{}", "", 415, "missing", id="of no type"),
        pytest.param(b" " * 5_000_000, "application/json", 413, "max_body_bytes", id="five million spaces"),
    ],
)
def test_what_is_no_records_is_a_clear_refusal(
    client: httpx.Client, content: bytes, media_type: str, status: int, told: str
) -> None:
    reply = client.post("/v1/events", content=content, headers={"Content-Type": media_type} if media_type else {})
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert told in reply.json()["detail"]


def test_metrics_count_what_was_handed_in(client: httpx.Client) -> None:
    text = client.get("/metrics").text
    assert 'lambda_arch_received_total{kind="events",outcome="accepted"}' in text
    assert 'lambda_arch_received_total{kind="events",outcome="rejected"}' in text


def test_a_broker_that_goes_away_is_a_503_and_is_found_again(client: httpx.Client, config: Config) -> None:
    servers.stop(config, ["kafka"])
    reply = client.post("/v1/events", json=[view("lost-1"), view("lost-2")])
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert [record["status"] for record in reply.json()["records"]] == ["unacknowledged"] * 2
    assert "0 of 2 records are acknowledged" in reply.json()["detail"]
    assert client.get("/health").status_code == 200
    servers.start(config, ["kafka"])
    deadline = time.monotonic() + 30
    while client.post("/v1/events", json=view("again")).status_code != 202:
        assert time.monotonic() < deadline
    identities = [json.loads(value or b"{}")["event_id"] for _, value in stored(config, "events").values()]
    assert "again" in identities
    assert not {"a", "b", "bad"} & set(identities)


def test_the_quarantine_is_counted_and_shown_newest_first(client: httpx.Client, config: Config) -> None:
    producer = Producer({"bootstrap.servers": config.kafka.bootstrap})
    for number in range(30):
        reason = "bad_time" if number % 3 else "not_json"
        headers = {"reason": reason, "source_topic": "events", "source_partition": "0", "source_offset": str(number),
                   "seen_at": f"2026-01-01T00:00:{number:02}Z"}  # fmt: skip
        kept = [(name, value.encode()) for name, value in headers.items()]
        producer.produce(config.kafka.topics.quarantine, b"x" * 3000, b"ann", partition=number % 2, headers=kept)
    producer.flush()
    told = client.get("/v1/quarantine?samples=3&reason=not_json").json()
    assert (told["held"], told["looked_at"]) == (30, 30)
    assert told["reasons"] == [
        {"reason": name, "records": count, "replay": f"lambda-arch quarantine replay --reason {name}"}
        for name, count in (("bad_time", 20), ("not_json", 10))
    ]
    assert [sample["coordinates"] for sample in told["samples"]] == ["events/0/27", "events/0/24", "events/0/21"]
    assert len(told["samples"][0]["value"]) == 2000
    few = client.get("/v1/quarantine?look=4").json()
    assert (few["held"], few["looked_at"]) == (30, 4)
    assert {sample["coordinates"] for sample in few["samples"]} == {f"events/0/{n}" for n in (26, 27, 28, 29)}
