"""Bytes of one record -> the rule that it breaks, if any: the contract decided in plain Python, for one at a time.

As the gate decides it (`rules`), but for two things: here JSON is JSON (the gate's reader also takes single quotes, or
what follows after the object), and a company's own rules, which are Spark SQL, are the gate's alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from lambda_arch.clock import micros, parse_rfc3339
from lambda_arch.contract import (
    EPOCH_MILLIS,
    EVENT_RULES,
    FIRST_TIME,
    NOT_JSON,
    NUMBER,
    POST_RULES,
    RFC3339,
    TOO_LARGE,
    Check,
    Rule,
)

_FIRST = parse_rfc3339(FIRST_TIME)
_rfc3339, _epoch_millis, _number = (re.compile(pattern) for pattern in (RFC3339, EPOCH_MILLIS, NUMBER))
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
# The bytes with which a JSON string begins, and null.
_STRING, _NULL = b'"', b"null"

Fields = dict[str, str]


class Limits(NamedTuple):
    """Bytes of a record at most, and the latest event time (microseconds)."""

    max_bytes: int
    latest: int


class Verdict(NamedTuple):
    """Why a record is refused: the gate's reason; the field, where it is one's; the rule in words."""

    reason: str
    field: str | None
    words: str


def checked_event(record: bytes, limits: Limits) -> Verdict | Fields:
    """The event's fields as text, or the first rule that it breaks."""
    return _checked(record, EVENT_RULES, limits)


def checked_post(record: bytes, limits: Limits) -> Verdict | Fields:
    """The post's fields as text, or the first rule that it breaks."""
    return _checked(record, POST_RULES, limits)


def _checked(record: bytes, rules: Sequence[Rule], limits: Limits) -> Verdict | Fields:
    if len(record) > limits.max_bytes:
        return Verdict(TOO_LARGE, None, f"a record has at most {limits.max_bytes} bytes")
    try:
        fields = _fields(record)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Verdict(NOT_JSON, None, "a record is one JSON object in UTF-8")
    event_type = fields.get("event_type", "")
    for rule in rules:
        if rule.only and event_type not in rule.only:
            continue
        if _BROKEN[rule.check](rule, fields, limits):
            return Verdict(rule.reason, rule.field, rule.words)
    return fields


def _fields(record: bytes) -> Fields:
    texts = {name: _as_text(bytes(raw)) for name, raw in _object.decode(record).items()}
    return {name: text for name, text in texts.items() if text is not None}


def _as_text(raw: bytes) -> str | None:
    if raw.startswith(_STRING):
        return _text.decode(raw)
    return None if raw == _NULL else raw.decode()


def _missing(rule: Rule, fields: Fields, _: Limits) -> bool:
    return not fields.get(rule.field)


def _unknown(rule: Rule, fields: Fields, _: Limits) -> bool:
    return fields.get(rule.field) not in rule.known


def _nested(rule: Rule, fields: Fields, _: Limits) -> bool:
    return fields.get(rule.field, "").startswith(("{", "["))


def _longer(rule: Rule, fields: Fields, _: Limits) -> bool:
    return len(fields.get(rule.field, "")) > rule.longest


def _no_time(rule: Rule, fields: Fields, limits: Limits) -> bool:
    moment = moment_of(fields[rule.field])
    return moment is None or not _FIRST <= moment <= limits.latest


def _no_number(rule: Rule, fields: Fields, _: Limits) -> bool:
    text = fields.get(rule.field)
    return text is not None and not (_number.fullmatch(text) and math.isfinite(float(text)))


def _outside(rule: Rule, fields: Fields, _: Limits) -> bool:
    low, high = rule.bounds
    return not low <= float(fields[rule.field]) <= high


def _no_map(rule: Rule, fields: Fields, _: Limits) -> bool:
    text = fields.get(rule.field)
    if text is None:
        return False
    try:
        _object.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return True
    return False


_BROKEN: dict[Check, Callable[[Rule, Fields, Limits], bool]] = {
    "missing": _missing, "unknown": _unknown, "nested": _nested, "longer": _longer, "no_time": _no_time,
    "no_number": _no_number, "outside": _outside, "no_map": _no_map,
}  # fmt: skip


def moment_of(text: str) -> int | None:
    """The moment (microseconds) of a text of the contract's forms; None for any other, and before the year 1."""
    if _epoch_millis.fullmatch(text):
        return int(text) * 1000
    if not _rfc3339.fullmatch(text):
        return None
    try:
        return micros(datetime.fromisoformat(text.upper()))
    except ValueError:  # the thirtieth of February, the year 0
        return None
