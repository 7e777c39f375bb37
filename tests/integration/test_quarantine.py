"""The lake's quarantine: each record once whichever way it came, fixed by expressions, judged anew, marked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from typer.testing import CliRunner

from batch.conform import conform_bronze
from jobs.cli import app
from lambda_arch.clock import HOUR, parse_rfc3339
from lambda_arch.config import Config, Rule
from lambda_arch.lake import Lake
from lambda_arch.schemas import COORDINATES, RAW
from lambda_arch.tables import BRONZE, QUARANTINE
from streaming.gate import as_rejects, gated_events, gated_posts
from streaming.produce import ProduceError
from streaming.rejects import QuarantineError, Selection, listed, shown
from streaming.resending import Request, Trial, mend, preview, replay

pytestmark = pytest.mark.spark
NOW = parse_rfc3339("2016-01-02T00:00:00Z")
RECEIVED = datetime(2016, 1, 2, tzinfo=UTC)
VIEW = {
    "event_id": "e", "event_type": "view", "user_id": "u", "title_id": "t", "event_time": "2016-01-01T12:00:00Z",
    "value": 0.5,
}  # fmt: skip
POST = {"post_id": "p", "text": "good", "event_time": "2016-01-01T12:00:00Z", "title_id": "t"}
# As sent, by topic and offset.
RECORDS: list[tuple[str, dict[str, Any] | bytes]] = [
    ("events", {**VIEW, "event_id": "e0"}),
    ("events", {**VIEW, "event_id": "e1", "value": 50, "more": {"n": [1.50]}}),
    ("events", {**VIEW, "event_id": "e2", "value": 5000}),
    ("events", {**VIEW, "event_id": "e3", "event_time": "2016-01-01T12:00:00"}),
    ("events", {**VIEW, "event_id": None, "value": 0.7}),
    ("events", b"no JSON"),
    ("posts", {**POST, "event_time": "2016-01-01T12:00:00"}),
    ("posts", {**POST, "post_id": "p2", "event_time": None, "at": "2016-01-01T12:00:00Z"}),
]


def raw(lake: Lake, records: Sequence[tuple[str, dict[str, Any] | bytes]] = RECORDS) -> DataFrame:
    values = [value if isinstance(value, bytes) else json.dumps(value).encode() for _, value in records]
    rows = [
        (topic, 0, offset, RECEIVED, b"k", value)
        for offset, ((topic, _), value) in enumerate(zip(records, values, strict=True))
    ]
    return lake.spark.createDataFrame(rows, RAW)


def by_the_night(lake: Lake, config: Config) -> None:
    lake.create(BRONZE)
    lake.append(raw(lake), BRONZE)
    conform_bronze(lake, config)


def by_the_stream(lake: Lake, config: Config, times: int = 1) -> None:
    """What the gate sends to topic `quarantine`, as often as a killed gate may, kept as the archive keeps it."""
    gates = {"events": gated_events, "posts": gated_posts}
    for topic, gate in gates.items():
        gated = raw(lake).where(F.col("topic") == topic).transform(gate(config.events, config.kafka.topics))
        sent = gated.where("topic = 'quarantine'")
        for _ in range(times - 1):
            sent = sent.unionByName(sent)
        lake.create(QUARANTINE)
        lake.insert_new(sent.transform(as_rejects()), QUARANTINE, *COORDINATES)


def rejects(lake: Lake) -> list[dict[str, Any]]:
    return [row.asDict() for row in lake.read(QUARANTINE).orderBy(*COORDINATES).collect()]


def test_a_rejected_record_is_there_once_whichever_way_was_first(lake: Lake, config: Config) -> None:
    by_the_stream(lake, config, times=2)
    streamed = rejects(lake)
    assert [(row["topic"], row["offset"], row["reason"]) for row in streamed] == [
        ("events", 1, "out_of_range:value"), ("events", 2, "out_of_range:value"), ("events", 3, "bad_time"),
        ("events", 4, "missing_field:event_id"), ("events", 5, "not_json"), ("posts", 6, "bad_time"),
        ("posts", 7, "missing_field:event_time"),
    ]  # fmt: skip
    by_the_night(lake, config)
    assert rejects(lake) == streamed


def test_the_night_keeps_the_very_row_that_the_stream_keeps(lake: Lake, config: Config) -> None:
    by_the_night(lake, config)
    before = rejects(lake)
    by_the_stream(lake, config)
    assert rejects(lake) == before
    lake.spark.sql(f"DELETE FROM delta.`{lake.path(QUARANTINE)}`")
    by_the_stream(lake, config)
    assert rejects(lake) == before


@pytest.fixture
def rejected(lake: Lake, config: Config) -> Lake:
    by_the_stream(lake, config)
    return lake


def request(*fix: tuple[str, str], **selection: Any) -> Request:
    return Request(Selection(**selection), dict(fix), NOW)


def states(lake: Lake, **selection: Any) -> dict[str, tuple[str, str, dict[str, Any] | None]]:
    """By coordinates: state, reason, and what the record was fixed to."""
    rows = shown(lake.read(QUARANTINE).transform(Selection(**selection)), 100)
    return {
        row["coordinates"]: (row["state"], row["reason"], row["fixed"] and json.loads(row["fixed"])) for row in rows
    }


def test_a_fix_is_an_expression_and_what_still_fails_stays_with_its_new_reason(rejected: Lake, config: Config) -> None:
    trial = mend(rejected, request(("value", "value / 100"), reason="out_of_range:value"), config)
    assert trial == Trial(passed=1, failed={"out_of_range:value": 1})
    assert mend(
        rejected, request(("event_time", "concat(event_time, 'Z')"), ("title_id", "null"), topic="events",
                          reason="bad_time"), config) == Trial(0, {"missing_field:title_id": 1})  # fmt: skip
    found = states(rejected, topic="events")
    assert found["events/0/1"] == (
        "fixed", "out_of_range:value", {**VIEW, "event_id": "e1", "value": 0.5, "more": {"n": [1.5]}},
    )  # fmt: skip
    assert found["events/0/2"] == ("waiting", "out_of_range:value", None)
    assert found["events/0/3"] == ("waiting", "missing_field:title_id", None)
    [row] = shown(rejected.read(QUARANTINE).transform(Selection(coordinates=("events", 0, 3))), 1)
    assert json.loads(row["value"]) == RECORDS[3][1]
    assert row["fix"] == "event_time = concat(event_time, 'Z'); title_id = null"


def test_one_fix_serves_events_and_posts_and_any_field_of_a_record(rejected: Lake, config: Config) -> None:
    assert mend(rejected, request(("event_time", "event_time || 'Z'"), reason="bad_time"), config) == Trial(2)
    assert mend(rejected, request(("event_time", "fields.at"), reason="missing_field:event_time"), config) == Trial(1)
    assert mend(rejected, request(("event_id", "coordinates"), reason="missing_field:event_id"), config) == Trial(1)
    fixed = {place: record for place, (_, _, record) in states(rejected).items() if record}
    assert {place: record["event_time"] for place, record in fixed.items()} == dict.fromkeys(
        ("events/0/3", "events/0/4", "posts/0/6", "posts/0/7"), "2016-01-01T12:00:00Z"
    )
    assert fixed["events/0/4"]["event_id"] == "events/0/4"


def test_a_preview_shows_before_and_after_and_writes_nothing(rejected: Lake, config: Config) -> None:
    version = rejected.version(QUARANTINE)
    trial, [first, second] = preview(
        rejected, request(("value", "value / 100"), reason="out_of_range:value"), config, 10
    )
    assert (rejected.version(QUARANTINE), trial) == (version, Trial(1, {"out_of_range:value": 1}))
    assert [json.loads(first[name])["value"] for name in ("before", "after")] == [50, 0.5]
    assert [(row["coordinates"], row["verdict"]) for row in (first, second)] == [
        ("events/0/1", "passes"), ("events/0/2", "out_of_range:value"),
    ]  # fmt: skip


@pytest.mark.parametrize("expression", ["nobody_has_this + 1", "value /", "sum(value)"])
def test_an_expression_that_does_not_fit_is_named_with_the_fields(
    rejected: Lake, config: Config, expression: str
) -> None:
    with pytest.raises(QuarantineError) as told:
        mend(rejected, request(("value", expression), topic="events"), config)
    assert str(told.value).startswith(f"value={expression}: ")
    assert "a record of events has event_id, " in str(told.value)


def test_the_list_counts_by_reason_and_topic(rejected: Lake, config: Config) -> None:
    mend(rejected, request(("value", "value / 100"), reason="out_of_range:value"), config)
    rows = listed(rejected.read(QUARANTINE))
    seen = "2016-01-02T00:00:00.000000Z"
    assert rows[0] == {
        "reason": "out_of_range:value", "topic": "events", "records": 2, "waiting": 1, "fixed": 1, "taken": 0,
        "replayed": 0, "first_seen": seen, "last_seen": seen,
    }  # fmt: skip
    assert [(row["reason"], row["topic"], row["records"]) for row in rows[1:]] == [
        ("bad_time", "events", 1), ("bad_time", "posts", 1), ("missing_field:event_id", "events", 1),
        ("missing_field:event_time", "posts", 1), ("not_json", "events", 1),
    ]  # fmt: skip
    assert listed(rejected.read(QUARANTINE).transform(Selection(since=NOW + 1))) == []


def test_rows_of_files_wait_until_it_is_said_what_they_are(rejected: Lake, config: Config) -> None:
    files = rejected.read(QUARANTINE).where("topic = 'posts'").withColumn("topic", F.lit("file:tweets"))
    rejected.insert_new(files, QUARANTINE, *COORDINATES)
    fix = ("event_time", "event_time || 'Z'")
    assert mend(rejected, request(fix, topic="file:tweets"), config) == Trial(left=2)
    told = Request(Selection(topic="file:tweets", reason="bad_time"), dict([fix]), NOW, of_files="posts")
    assert mend(rejected, told, config) == Trial(passed=1)


def test_what_a_stopped_replay_has_taken_is_sent_again_as_it_was_taken(
    rejected: Lake, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def refused(_: str, records: Any, *__: Any) -> Any:
        sent.extend(record.value for record in records)
        raise ProduceError("events: not enough replicas")

    monkeypatch.setattr("streaming.resending.produce", refused)
    chosen = {"reason": "out_of_range:value", "coordinates": ("events", 0, 1)}
    with pytest.raises(ProduceError, match=r"not enough replicas; replay again once the broker"):
        replay(rejected, request(("value", "value / 100"), **chosen), config, None)
    assert states(rejected, **chosen)["events/0/1"][0] == "taken"
    with pytest.raises(ProduceError):
        replay(rejected, request(("value", "0"), ("user_id", "'another'"), **chosen), config, None)
    assert sent[0] == sent[1]
    assert json.loads(sent[0]) == {**VIEW, "event_id": "e1", "value": 0.5, "more": {"n": [1.5]}}


def test_a_rule_that_was_relaxed_lets_records_pass_as_they_are(lake: Lake, config: Config) -> None:
    strict = config.events.model_copy(update={"rules": (Rule(reason="too_bad", unless="value > 0.9"),)})
    by_the_night(lake, config.model_copy(update={"events": strict}))
    nothing = mend(lake, request(reason="too_bad"), config.model_copy(update={"events": strict}))
    assert nothing == Trial(0, {"too_bad": 1})
    assert mend(lake, request(reason="too_bad"), config) == Trial(1)
    assert states(lake, reason="too_bad")["events/0/0"] == ("fixed", "too_bad", RECORDS[0][1])


def test_what_was_ahead_of_the_clock_is_judged_by_when_it_is_sent(lake: Lake, config: Config) -> None:
    early = [("events", {**VIEW, "event_time": "2016-01-02T02:00:00Z"})]
    lake.create(BRONZE)
    lake.append(raw(lake, early), BRONZE)
    conform_bronze(lake, config)
    assert mend(lake, Request(Selection(), {}, NOW), config) == Trial(0, {"bad_time": 1})
    assert mend(lake, Request(Selection(), {}, NOW + 2 * HOUR), config) == Trial(1)


def test_the_commands_list_show_and_fix(rejected: Lake, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambda_arch.session.spark_session", lambda *_: rejected.spark)
    monkeypatch.setattr("jobs.quarantine.load_config", lambda: config)
    monkeypatch.setattr(rejected.spark, "stop", lambda: None)

    def told(*arguments: str) -> Any:
        result = CliRunner().invoke(app, ["quarantine", *arguments, "--json"], catch_exceptions=False)
        assert result.exit_code == 0
        return json.loads(result.stdout)

    assert {row["reason"]: row["records"] for row in told("list", "--topic", "posts")} == {
        "bad_time": 1, "missing_field:event_time": 1,
    }  # fmt: skip
    [row] = told("show", "events/0/5")
    assert (row["value"], row["reason"], row["state"]) == ("no JSON", "not_json", "waiting")
    assert len(told("show", "--reason", "out_of_range:value", "--limit", "1")) == 1
    fix = ("fix", "--reason", "out_of_range:value", "--set", "value = value / 100")
    dry = told(*fix, "--dry-run", "--limit", "1")
    assert (dry["passed"], [json.loads(row["after"])["value"] for row in dry["records"]]) == (1, [0.5])
    assert told("show", "events/0/1")[0]["state"] == "waiting"
    assert told(*fix)["failed"] == {"out_of_range:value": 1}
    assert told("show", "events/0/1")[0]["state"] == "fixed"
    with pytest.raises(QuarantineError, match="no rejected record at events/0/0"):
        told("show", "events/0/0")
