"""Records that break a rule, of every kind, with the reason that quarantine is to give."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_EVENT = {
    "event_type": "rating",
    "user_id": "poison",
    "title_id": "31",
    "event_time": "2015-08-01T12:00:00Z",
    "value": 4.0,
}
_POST = {"text": "A joy from start to end.", "event_time": "2015-08-01T12:00:00Z", "title_id": "31"}

# What is changed of a valid record (None: left out), and why it is then refused.
_EVENTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"event_id": None}, "missing_field:event_id"),
    ({"event_type": None}, "missing_field:event_type"),
    ({"user_id": ""}, "missing_field:user_id"),
    ({"title_id": None}, "missing_field:title_id"),
    ({"event_time": None}, "missing_field:event_time"),
    ({"value": None}, "missing_field:value"),
    ({"event_type": "account", "value": None}, "missing_field:properties"),
    ({"user_id": {"id": 7}}, "bad_type:user_id"),
    ({"value": "four"}, "bad_type:value"),
    ({"properties": "mobile"}, "bad_type:properties"),
    ({"value": 9}, "out_of_range:value"),
    ({"event_type": "view", "value": 1.5}, "out_of_range:value"),
    ({"event_id": "x" * 65}, "out_of_range:event_id"),
    ({"event_type": "teleport"}, "unknown_event_type"),
    ({"event_time": "2015-08-01T12:00:00"}, "bad_time"),
    ({"event_time": "2999-01-01T00:00:00Z"}, "bad_time"),
    ({"event_time": "1969-12-31T23:59:59Z"}, "bad_time"),
    ({"event_time": "yesterday"}, "bad_time"),
)
_POSTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"post_id": None}, "missing_field:post_id"),
    ({"text": ""}, "missing_field:text"),
    ({"event_time": None}, "missing_field:event_time"),
    ({"post_id": [1]}, "bad_type:post_id"),
    ({"text": "long " * 2001}, "out_of_range:text"),
    ({"event_time": "2015-08-01 noon"}, "bad_time"),
    ({"event_time": "2999-01-01T00:00:00Z"}, "bad_time"),
)


@dataclass(frozen=True)
class Poison:
    """A record's bytes, the topic it is sent to, and the reason for which it is rejected."""

    topic: str
    value: bytes
    reason: str

    def line(self) -> dict[str, str]:
        """As a line for the producer."""
        return {"topic": self.topic, "key": "poison", "base64": b64encode(self.value).decode(), "reason": self.reason}


def poison(max_bytes: int) -> list[Poison]:
    """The records; `max_bytes` is the longest that is taken."""
    return [*_of("events", "event_id", _EVENT, _EVENTS, max_bytes), *_of("posts", "post_id", _POST, _POSTS, max_bytes)]


def _of(
    topic: str, id_field: str, valid: dict[str, Any], changes: tuple[tuple[dict[str, Any], str], ...], max_bytes: int
) -> Iterator[Poison]:
    for number, (change, reason) in enumerate(changes):
        fields = {id_field: f"poison-{number}", **valid, **change}
        yield Poison(topic, _json({name: value for name, value in fields.items() if value is not None}), reason)
    whole = _json({id_field: "poison", **valid})
    yield Poison(topic, b"not JSON at all", "not_json")
    yield Poison(topic, b"", "not_json")
    yield Poison(topic, b"[1, 2, 3]", "not_json")
    yield Poison(topic, whole[: len(whole) // 2], "not_json")
    yield Poison(topic, whole.replace(b"poison", b"\xff\xfe"), "not_json")
    yield Poison(topic, _json({id_field: "poison", **valid, "more": "x" * max_bytes}), "too_large")


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()
