"""Records that break a rule, of every kind that one can break, with the reason that quarantine is to give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from streaming.produce import Role

Fields = Mapping[str, Any]

# What every fault is made of: records that keep the rules.
VALID: dict[Role, Fields] = {
    "events": {
        "event_id": "poison", "event_type": "rating", "user_id": "poison", "title_id": "31",
        "event_time": "2015-08-01T12:00:00Z", "value": 4.0,
    },
    "posts": {
        "post_id": "poison", "text": "A joy from start to end.", "event_time": "2015-08-01T12:00:00Z", "title_id": "31",
    },
}  # fmt: skip
ID: dict[Role, str] = {"events": "event_id", "posts": "post_id"}

# What is changed of a valid record (None: left out), and why it is then refused.
_CHANGES: dict[Role, Sequence[tuple[Fields, str]]] = {
    "events": (
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
    ),
    "posts": (
        ({"post_id": None}, "missing_field:post_id"),
        ({"text": ""}, "missing_field:text"),
        ({"event_time": None}, "missing_field:event_time"),
        ({"post_id": [1]}, "bad_type:post_id"),
        ({"text": "long " * 2001}, "out_of_range:text"),
        ({"event_time": "2015-08-01 noon"}, "bad_time"),
        ({"event_time": "2999-01-01T00:00:00Z"}, "bad_time"),
    ),
}


@dataclass(frozen=True)
class Fault:
    """How the fields of a valid record become bytes that are refused, and the reason."""

    reason: str
    spoil: Callable[[Fields], bytes]


def faults(topic: Role, max_bytes: int) -> list[Fault]:
    """All that can be wrong with a record of the topic; `max_bytes` is the longest that is taken."""
    changed = [Fault(reason, partial(_changed, change)) for change, reason in _CHANGES[topic]]
    return [
        *changed,
        Fault("not_json", lambda _: b"not JSON at all"),
        Fault("not_json", lambda _: b""),
        Fault("not_json", lambda _: b"[1, 2, 3]"),
        Fault("not_json", lambda fields: _json(fields)[: len(_json(fields)) // 2]),
        Fault("not_json", lambda fields: _json(fields).replace(b'": "', b'": "\xff\xfe', 1)),
        Fault("too_large", lambda fields: _json({**fields, "more": "x" * max_bytes})),
    ]


def _changed(change: Fields, fields: Fields) -> bytes:
    return _json({name: value for name, value in {**fields, **change}.items() if value is not None})


def _json(fields: Fields) -> bytes:
    return json.dumps(fields).encode()
