"""The contract decided twice, by the gate's Columns and in plain Python: the same reason for every record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from demo.poison import poison
from lambda_arch.checking import Fields, Limits, Verdict, checked_event, checked_post
from lambda_arch.clock import MINUTE, parse_rfc3339
from lambda_arch.config import Config
from lambda_arch.contract import EVENT_FIELDS, EVENT_RULES, POST_FIELDS, POST_RULES
from lambda_arch.rules import checked_events, checked_posts
from lambda_arch.schemas import RAW

pytestmark = pytest.mark.spark

RECEIVED = "2016-01-02T00:00:00Z"
MAX_BYTES = 15_000
EVENT = {"event_id": "e1", "event_type": "rating", "user_id": "u1", "title_id": "t1",
         "event_time": "2016-01-01T00:00:00Z", "value": 4, "properties": {"a": "b"}}  # fmt: skip
POST = {"post_id": "p1", "text": "good", "event_time": "2016-01-01T00:00:00Z", "title_id": "t1"}

TIMES = [
    "2016-01-01T00:00:00Z", "2016-01-01t00:00:00z", "2016-01-01 00:00:00+0200", "2016-01-02T01:00:00Z",
    "2016-01-02T01:00:00.000001Z", "2016-01-01T00:00:00.123456789Z", "2016-01-01T24:00:00Z", "2016-01-01T00:00:60Z",
    "2016-02-30T00:00:00Z", "2016-01-01T00:00:00+18:00", "2016-01-01T00:00:00+18:01", "2016-01-01T00:00:00-19:00",
    "2016-01-01T00:00:00+02:60", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-02T00:00:00Z",
    "1970-01-01T23:59:59.999999Z", "2016-01-01T00:00:00Z\n", " 2016-01-01T00:00:00Z", "2016-01-01T00:00:00",
    "٢٠١٦-01-01T00:00:00Z", "2016-01-01T00:00:00.Z", "2016-1-1T00:00:00Z", 0, 86_400_000, 86_399_999, 1451606400123,
    "1451606400123", 999_999_999_999_999, 10**15, -1, 1.5, 1451606400123.0, "", True,
]  # fmt: skip
NUMBERS = [
    0, 1, 0.5, 5, 5.0000001, -0.0, 1.01, "4", " 4 ", "\t4\n", "4.", ".5", "+1", "1e0", "1E-1", "1d", "1f", "0x1p3",
    "NaN", "nan", "Infinity", "-inf", "1_0", "٤", "1e400", "4 5", "", " ", True, [4], {"a": 4}, "\u00a04", 10**30,
]  # fmt: skip
MAPS = [{}, {"a": "b"}, {"a": 1, "b": None}, {"a": {"b": [1]}}, "mobile", "", 5, True, [], [1], [{"a": "b"}], "{}",
        '{"a": "b"}', "{", "null", "[]", {"": ""}, {"a": True}]  # fmt: skip
IDS = ["", "x", "x" * 64, "x" * 65, "x" * 128, "x" * 129, "🎬" * 64, "🎬" * 65, "🎬" * 129, 17, 1.5, -0.0, True, False,
       [], [1], {}, {"id": 7}, "{", "[x", " {", "null", "a\u0000b", "é" * 128, " "]  # fmt: skip
TEXTS = [*IDS, "x" * 10_000, "x" * 10_001, "🎬" * 2_400]
TYPES = next(rule.known for rule in EVENT_RULES if rule.check == "unknown")
CHOICES: dict[str, Sequence[Any]] = {
    "event_id": IDS, "event_type": [*TYPES, "View", "teleport", "", 5, ["view"], " view"], "user_id": IDS,
    "title_id": IDS, "event_time": TIMES, "value": NUMBERS, "properties": MAPS, "post_id": IDS, "text": TEXTS,
    "title": IDS, "author_id": IDS, "source": IDS, "language": IDS,
}  # fmt: skip


def whole(valid: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A record without what is changed to `...`."""
    return {name: value for name, value in {**valid, **changes}.items() if value is not ...}


def singly(valid: dict[str, Any], fields: Sequence[str]) -> list[bytes]:
    """Every choice for every field of an otherwise valid record, of each type of event; each field missing and null."""
    kinds = [{"event_type": kind} for kind in ("view", "rating", "account", "search")] if valid is EVENT else [{}]
    return [
        json.dumps(whole({**valid, **kind}, **{field: value}), ensure_ascii=False).encode()
        for kind in kinds
        for field in fields
        for value in (..., None, *CHOICES[field])
    ]


def bytes_of_every_kind() -> list[bytes]:
    """What is no record, or hardly one."""
    valid = json.dumps(EVENT).encode()
    return [
        b"", b" ", b"null", b"17", b'"text"', b"[]", b"[{}]", b"{}", b"{", valid[:-1], b" \n" + valid + b"\n",
        valid.replace(b"u1", b"\xff"), b"\xef\xbb\xbf" + valid, valid[:-1] + b', "more": {"deep": [[[]]]}}',
        valid[:-1] + b', "user_id": ""}', valid[:-1] + b', "user_id": "twice"}', valid.replace(b'"u1"', b'"\\u0041"'),
        valid.replace(b'"u1"', b"01"), valid.replace(b"4", b"4.50"),
        valid[:-1] + b', "x": "' + b"y" * MAX_BYTES + b'"}', b"x" * (MAX_BYTES + 1), b"{}" + b" " * MAX_BYTES,
        valid + b" " * (MAX_BYTES - len(valid)), valid.replace(b"e1", b"e\t1"),
    ]  # fmt: skip


def any_record(valid: dict[str, Any], fields: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Records of which any fields are anything."""
    plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=140)
    values = {
        name: st.sampled_from([..., *CHOICES[name]]) | plain | text | st.lists(plain, max_size=2) for name in fields
    }
    changes = st.fixed_dictionaries({}, optional=values)
    return changes.map(lambda change: json.dumps(whole(valid, **change), ensure_ascii=False).encode())


def by_gate(spark: SparkSession, config: Config, kind: str, records: Sequence[bytes]) -> list[str | None]:
    """The reasons that the gate gives."""
    received = pd.Timestamp(RECEIVED).to_pydatetime()
    raw = [(kind, 0, offset, received, None, bytearray(value)) for offset, value in enumerate(records)]
    check = {"events": checked_events, "posts": checked_posts}[kind](
        config.events.model_copy(update={"max_bytes": MAX_BYTES})
    )
    rows = spark.createDataFrame(raw, RAW).transform(check).select("offset", "reason").collect()
    return [row.reason for row in sorted(rows, key=lambda row: row.offset)]


def in_python(config: Config, kind: str, records: Sequence[bytes]) -> list[str | None]:
    """The reasons of the plain checker."""
    limits = Limits(MAX_BYTES, parse_rfc3339(RECEIVED) + config.events.max_ahead_minutes * MINUTE)
    check = {"events": checked_event, "posts": checked_post}[kind]
    found: list[Verdict | Fields] = [check(record, limits) for record in records]
    return [verdict.reason if isinstance(verdict, Verdict) else None for verdict in found]


def assert_alike(spark: SparkSession, config: Config, kind: str, records: Sequence[bytes]) -> list[str | None]:
    gate, python = by_gate(spark, config, kind, records), in_python(config, kind, records)
    differ = [case for case in zip(records, gate, python, strict=True) if case[1] != case[2]]
    assert differ == []
    return gate


def test_every_rule_is_broken_alike(spark: SparkSession, config: Config) -> None:
    rotten = [record.value for record in poison(MAX_BYTES) if record.topic == "events"]
    events = assert_alike(spark, config, "events", [*singly(EVENT, EVENT_FIELDS), *bytes_of_every_kind(), *rotten])
    posts = assert_alike(spark, config, "posts", [*singly(POST, POST_FIELDS), *bytes_of_every_kind()])
    assert {rule.reason for rule in EVENT_RULES} | {"too_large", "not_json", None} == set(events)
    assert {rule.reason for rule in POST_RULES} | {"too_large", "not_json", None} == set(posts)


@pytest.mark.parametrize(("kind", "valid", "fields"), [("events", EVENT, EVENT_FIELDS), ("posts", POST, POST_FIELDS)])
def test_whatever_is_wrong_at_once_the_first_reason_is_the_same(
    spark: SparkSession, config: Config, kind: str, valid: dict[str, Any], fields: Sequence[str]
) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(any_record(valid, fields), min_size=300, max_size=400))
    def alike(records: list[bytes]) -> None:
        assert_alike(spark, config, kind, records)

    alike()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(b"{'event_id': 'e1'}", "not_json", id="single quotes"),
        pytest.param(json.dumps(EVENT).encode() + b" and more", "not_json", id="more after the object"),
        pytest.param(json.dumps(EVENT).encode().replace(b'"u1"', b"NaN"), "not_json", id="what is no number"),
        pytest.param(json.dumps(EVENT).encode().replace(b"u1", b"\\ud800"), "not_json", id="half a character"),
    ],
)
def test_here_json_is_json(config: Config, record: bytes, reason: str) -> None:
    assert in_python(config, "events", [record]) == [reason]
