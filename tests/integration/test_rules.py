"""Validation: a row per reason, which reason comes first, the forms of time, a company's own rule, real poison."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from demo.poison import poison
from lambda_arch.clock import parse_rfc3339
from lambda_arch.config import Config, Events, Rule
from lambda_arch.rules import checked_events, checked_posts
from lambda_arch.schemas import RAW, Transform

pytestmark = pytest.mark.spark

RECEIVED = "2016-01-02T00:00:00Z"
RATING = {
    "event_id": "e1",
    "event_type": "rating",
    "user_id": "u1",
    "title_id": "t1",
    "event_time": "2016-01-01T00:00:00Z",
    "value": 4,
}
POST = {"post_id": "p1", "text": "good", "event_time": "2016-01-01T00:00:00Z", "title_id": "t1"}
Check = Callable[[Sequence[bytes | dict[str, Any]], Transform], list[Row]]


@pytest.fixture
def check(spark: SparkSession) -> Check:
    """Records, as bytes or objects, through a check, in order."""

    def checked(records: Sequence[bytes | dict[str, Any]], transform: Transform) -> list[Row]:
        received = pd.Timestamp(RECEIVED).to_pydatetime()
        values = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in records]
        raw = [("events", 0, offset, received, None, bytearray(value)) for offset, value in enumerate(values)]
        rows = spark.createDataFrame(raw, RAW).transform(transform)
        return rows.withColumn("micros", F.unix_micros("event_time")).orderBy("offset").collect()

    return checked


def without(record: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**record, **changes}.items() if name not in names}


EVENT_REASONS: list[tuple[str | None, bytes | dict[str, Any]]] = [
    (None, RATING),
    (None, without(RATING, "value", event_type="list_add")),
    (None, without(RATING, "value", "title_id", event_type="search", properties={"query": "heat"})),
    (None, without(RATING, "value", "title_id", event_type="account", properties={"tenure": "3"})),
    (None, without(RATING, event_id=17, user_id=42, more="ignored")),
    (None, without(RATING, event_id="x" * 64, value="4.5")),
    ("not_json", b"hello"),
    ("not_json", b""),
    ("not_json", b"[1]"),
    ("not_json", b'{"event_id": "e1"'),
    ("not_json", json.dumps(RATING).encode().replace(b"u1", b"\xff\xfe")),
    ("too_large", {**RATING, "more": "x" * 2000}),
    ("too_large", b"x" * 2000),
    ("missing_field:event_id", without(RATING, "event_id")),
    ("missing_field:event_id", {}),
    ("missing_field:event_type", without(RATING, "event_type", event_time="never")),
    ("unknown_event_type", {**RATING, "event_type": "teleport", "value": 9}),
    ("missing_field:user_id", {**RATING, "user_id": None}),
    ("missing_field:title_id", without(RATING, "title_id", "value")),
    ("missing_field:event_time", without(RATING, "event_time", "value")),
    ("missing_field:value", without(RATING, "value")),
    ("missing_field:properties", without(RATING, "value", "title_id", event_type="account")),
    ("bad_type:event_id", {**RATING, "event_id": {"a": 1}, "user_id": [1]}),
    ("bad_type:title_id", {**RATING, "title_id": [1]}),
    ("bad_type:value", {**RATING, "value": "four"}),
    ("bad_type:value", {**RATING, "value": "NaN"}),
    ("bad_type:properties", {**RATING, "properties": "mobile"}),
    ("out_of_range:event_id", {**RATING, "event_id": "x" * 65}),
    ("out_of_range:user_id", {**RATING, "user_id": "x" * 129}),
    ("out_of_range:value", {**RATING, "value": 0.4}),
    ("out_of_range:value", {**RATING, "value": 5.5}),
    ("out_of_range:value", {**RATING, "event_type": "view", "value": 1.01}),
    ("bad_time", {**RATING, "event_time": "2016-01-02T01:00:01Z", "value": 9}),
]


def test_each_broken_event_has_its_reason(check: Check, config: Config) -> None:
    settings = config.events.model_copy(update={"max_bytes": 1000})
    found = check([record for _, record in EVENT_REASONS], checked_events(settings))
    assert [row.reason for row in found] == [reason for reason, _ in EVENT_REASONS]
    assert bytes(found[10].record) == EVENT_REASONS[10][1]
    assert (found[4].event_id, found[4].user_id, found[5].value) == ("17", "42", 4.5)
    assert found[3].properties == {"tenure": "3"}


POST_REASONS: list[tuple[str | None, bytes | dict[str, Any]]] = [
    (None, POST),
    (None, {**POST, "text": "x" * 10_000}),
    ("missing_field:post_id", without(POST, "post_id", "text")),
    ("missing_field:text", {**POST, "text": ""}),
    ("out_of_range:text", {**POST, "text": "x" * 10_001}),
    ("missing_field:event_time", without(POST, "event_time")),
    ("bad_time", {**POST, "event_time": "2016-01-01"}),
    ("bad_type:title_id", {**POST, "title_id": {"a": 1}}),
    ("not_json", b"null"),
]


def test_each_broken_post_has_its_reason(check: Check, config: Config) -> None:
    found = check([record for _, record in POST_REASONS], checked_posts(config.events))
    assert [row.reason for row in found] == [reason for reason, _ in POST_REASONS]


def test_a_post_has_a_title_by_id_by_name_or_none(check: Check, config: Config) -> None:
    posts = [POST, without(POST, "title_id", title="The Matrix: Reloaded!"), without(POST, "title_id")]
    found = check(posts, checked_posts(config.events))
    assert [row.title_id for row in found] == ["t1", "the-matrix-reloaded-", "unassigned"]


TIMES: list[tuple[Any, str | None]] = [
    ("2016-01-01T00:00:00Z", "2016-01-01T00:00:00Z"),
    ("2016-01-01t00:00:00z", "2016-01-01T00:00:00Z"),
    ("2016-01-01T02:00:00.1+0200", "2016-01-01T00:00:00.1Z"),
    ("2016-01-01 00:00:00Z", "2016-01-01T00:00:00Z"),
    ("2016-01-01T02:00:00+02:00", "2016-01-01T00:00:00Z"),
    ("2015-12-31T18:30:00-0530", "2016-01-01T00:00:00Z"),
    ("2016-01-01T00:00:00.123456Z", "2016-01-01T00:00:00.123456Z"),
    ("2016-01-01T00:00:00.5Z", "2016-01-01T00:00:00.5Z"),
    (1451606400123, "2016-01-01T00:00:00.123Z"),
    ("1451606400123", "2016-01-01T00:00:00.123Z"),
    ("2016-01-02T01:00:00Z", "2016-01-02T01:00:00Z"),
    ("1970-01-02T00:00:00Z", "1970-01-02T00:00:00Z"),
    ("2016-01-02T01:00:00.000001Z", None),
    ("1970-01-01T23:59:59Z", None),
    ("2016-01-01T00:00:00", None),
    ("2016-01-01", None),
    ("2016-02-30T00:00:00Z", None),
    ("1 January 2016", None),
    (-5, None),
    (1.5, None),
    ({"at": 1}, None),
]


def test_times_have_a_zone_or_are_epoch_milliseconds(check: Check, config: Config) -> None:
    found = check([{**RATING, "event_time": time} for time, _ in TIMES], checked_events(config.events))
    have = {str(time): None if row.reason else row.micros for (time, _), row in zip(TIMES, found, strict=True)}
    assert have == {str(time): None if wanted is None else parse_rfc3339(wanted) for time, wanted in TIMES}
    assert {row.reason for row in found} == {None, "bad_time"}


def test_a_companys_own_rule_comes_after_the_contracts(check: Check, config: Config) -> None:
    rule = Rule(reason="whole_stars", unless="value = floor(value)")
    settings: Events = config.events.model_copy(update={"rules": (rule,)})
    found = check([RATING, {**RATING, "value": 3.5}, {**RATING, "value": 9.5}], checked_events(settings))
    assert [row.reason for row in found] == [None, "whole_stars", "out_of_range:value"]


@pytest.mark.parametrize("topic", ["events", "posts"])
def test_the_demos_poison_is_refused_for_the_reason_it_names(check: Check, config: Config, topic: str) -> None:
    records = [record for record in poison(config.events.max_bytes) if record.topic == topic]
    transform = {"events": checked_events, "posts": checked_posts}[topic](config.events)
    found = check([record.value for record in records], transform)
    assert [row.reason for row in found] == [record.reason for record in records]
    assert [bytes(row.record) for row in found] == [record.value for record in records]


def changed(text: str) -> bytes:
    """The rating with some JSON of its own before its end, where a field comes twice the later one counts."""
    return json.dumps(RATING).encode()[:-1] + b", " + text.encode() + b"}"


ODD: dict[str, tuple[str | None, float | None, dict[str, str] | None]] = {
    '"properties": {"a": 1.50, "b": {"x": [1]}, "c": null}': (None, 4.0, {"a": "1.5", "b": '{"x":[1]}', "c": None}),
    '"properties": "{\\"a\\": 1}"': (None, 4.0, {"a": "1"}),
    '"properties": {}': (None, 4.0, {}),
    '"properties": [{}]': ("bad_type:properties", None, None),
    '"properties": ""': ("bad_type:properties", None, None),
    '"properties": {"a": 1}, "value": "3.5"': (None, 3.5, {"a": "1"}),
    '"properties": "mobile", "value": "3.5"': ("bad_type:properties", None, None),
    '"properties": 7, "properties": null': (None, 4.0, None),
    '"value": "four", "value": 3': (None, 3.0, None),
    '"value": 3, "value": "four"': ("bad_type:value", None, None),
    '"value": true': ("bad_type:value", None, None),
    '"value": 1e400': ("bad_type:value", None, None),
    '"value": "+INF"': ("bad_type:value", None, None),
    '"value": ""': ("missing_field:value", None, None),
    '"value": null': ("missing_field:value", None, None),
    '"value": "3", "more": }': ("not_json", None, None),
}


def test_what_is_not_of_its_type_is_read_as_text_and_decided_by_what_that_says(check: Check, config: Config) -> None:
    found = check([changed(text) for text in ODD], checked_events(config.events))
    for row, (text, (reason, value, properties)) in zip(found, ODD.items(), strict=True):
        assert (row.reason, text) == (reason, text)
        if reason is None:
            assert (row.value, row.properties, text) == (value, properties, text)
