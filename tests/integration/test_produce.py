"""The producer against a real broker: every record arrives, in order, once; or an error says why."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from deploy import servers
from deploy.ports import free_ports, on_free_ports
from lambda_arch.clock import SECOND
from lambda_arch.config import Config, load_config
from streaming.produce import ProduceError, Record, produce, read_records

pytestmark = pytest.mark.servers
FETCHED = Path(__file__).resolve().parents[2] / "var" / "jars"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    config = on_free_ports(load_config({}), tmp_path_factory.mktemp("produce") / "var")
    with servers.running(config, ["kafka"], jars=FETCHED if FETCHED.is_dir() else None):
        yield config


def received(config: Config, topic: str, count: int) -> list[tuple[bytes | None, bytes | None]]:
    """The topic's records by partition and offset; `count` are waited for, and a moment for more."""
    settings = {
        "bootstrap.servers": config.kafka.bootstrap,
        "group.id": f"test-{topic}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    found = []
    while len(found) < count:
        found += consumer.consume(count, 0.2)
    found += consumer.consume(1000, 0.5)
    consumer.close()
    ordered = sorted(found, key=lambda message: (message.partition(), message.offset()))
    return [(message.key(), message.value()) for message in ordered]


def test_every_record_arrives_once_and_in_its_keys_order(broker: Config) -> None:
    sent = [Record("events", b"u%d" % (n % 3), b"%d" % n) for n in range(500)]
    report = produce(broker.kafka.bootstrap, sent, None, broker.kafka.topics)
    assert (report.sent, report.acked) == (500, 500)
    found = received(broker, broker.kafka.topics.events, 500)
    assert len(found) == 500
    for key in {record.key for record in sent}:
        assert [value for k, value in found if k == key] == [record.value for record in sent if record.key == key]


def test_a_file_of_lines_is_sent_as_values_and_as_bytes_at_the_rate(broker: Config, tmp_path: Path) -> None:
    lines = [
        {"topic": "posts", "key": "t1", "value": {"post_id": "p1", "text": "gut, süß"}},
        {"topic": "posts", "key": "t1", "base64": b64encode(b"\xff\x00").decode(), "reason": "not_json"},
        {"topic": "posts", "key": "t1", "base64": "", "reason": "not_json"},
    ]
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    report = produce(broker.kafka.bootstrap, read_records(path), 20.0, broker.kafka.topics)
    assert report.acked == 3
    assert report.seconds >= 2 / 20
    values = [value for _, value in received(broker, broker.kafka.topics.posts, 3)]
    assert json.loads(values[0] or b"") == lines[0]["value"]
    assert values[1:] == [b"\xff\x00", b""]


def test_records_come_so_much_faster_than_they_happened(broker: Config) -> None:
    moments = [10 * SECOND, None, 12 * SECOND, 3 * SECOND, 14 * SECOND]
    records = [Record("events", b"pace", b"%d" % nth, moment) for nth, moment in enumerate(moments)]
    kafka = broker.kafka
    assert produce(kafka.bootstrap, records, None, kafka.topics, speed_up=10).seconds >= 4 / 10
    assert produce(kafka.bootstrap, records, 4.0, kafka.topics, speed_up=1000).seconds >= 4 / 4
    assert produce(kafka.bootstrap, records, None, kafka.topics, speed_up=1000).acked == 5


def test_a_record_that_is_too_large_for_the_broker_is_an_error(broker: Config) -> None:
    with pytest.raises(ProduceError, match=r"(?i)too large"):
        produce(broker.kafka.bootstrap, [Record("events", None, b"x" * 3_000_000)], None, broker.kafka.topics)


def test_a_broker_that_is_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config({})
    monkeypatch.setattr("streaming.produce.SETTINGS", {"message.timeout.ms": 500})
    with pytest.raises(ProduceError, match="1 records refused, the first by events"):
        produce(f"127.0.0.1:{free_ports(1)[0]}", [Record("events", None, b"x")], None, config.kafka.topics)


@pytest.mark.parametrize("line", ["{", "[]", '{"topic": "events"}', '{"topic": "other", "key": "k", "value": {}}'])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"topic": "events", "key": null, "value": {}}\n' + line, encoding="utf-8")
    with pytest.raises(ProduceError, match=r"lines.jsonl:2: not a record"):
        list(read_records(path))
