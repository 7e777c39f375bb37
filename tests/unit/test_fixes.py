"""Fixes as texts, and records with fields set: plain bytes, no Spark."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.fixes import fix_of, patched, told
from streaming.rejects import QuarantineError, coordinates_of
from streaming.resending import Request, Selection

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
objects = st.dictionaries(st.text(), scalars | st.dictionaries(st.text(), scalars))


def test_a_fix_is_read_from_its_texts_and_told_in_their_order() -> None:
    fix = fix_of(["value = value / 100", "event_time=concat(event_time, 'Z')", "user_id = if(a = 'b', 'c', 'd')"])
    assert fix == {
        "value": "value / 100",
        "event_time": "concat(event_time, 'Z')",
        "user_id": "if(a = 'b', 'c', 'd')",
    }
    assert told(fix) == ("value = value / 100; event_time = concat(event_time, 'Z'); user_id = if(a = 'b', 'c', 'd')")
    assert told({}) is None


@pytest.mark.parametrize("texts", [["value"], ["=1"], ["value="], ["value=1", "value = 2"]])
def test_what_is_no_fix_is_refused(texts: list[str]) -> None:
    with pytest.raises(QuarantineError, match=r"want FIELD=EXPRESSION|is set twice"):
        fix_of(texts)


@given(objects, objects)
def test_the_fields_are_set_and_all_others_stay(record: dict[str, object], changes: dict[str, object]) -> None:
    found = patched(json.dumps(record).encode(), json.dumps(changes).encode())
    assert json.loads(found) == {**record, **changes}


def test_numbers_that_are_not_touched_stay_digit_by_digit() -> None:
    others = b'"more":0.1000000000000000055511151231257827,"big":123456789012345678901234567890'
    assert patched(b'{"value":9,' + others + b"}", b'{"value":0.09}') == b'{"value":0.09,' + others + b"}"


@pytest.mark.parametrize("record", [b"", b"[1]", b"no JSON", b'{"cut": '])
def test_what_is_no_object_stays_as_it_is(record: bytes) -> None:
    assert patched(record, b'{"value":1}') == record


def test_a_field_of_broken_bytes_can_be_set() -> None:
    assert patched(b'{"user_id":"\xff","value":1}', b'{"user_id":"u"}') == b'{"user_id":"u","value":1}'


def test_coordinates_are_read_whatever_the_topics_name() -> None:
    assert coordinates_of("events/0/17") == ("events", 0, 17)
    assert coordinates_of("file:a/b/-5/0") == ("file:a/b", -5, 0)


@pytest.mark.parametrize("text", ["events", "events/0", "events/0/x", "/0"])
def test_other_texts_are_no_coordinates(text: str) -> None:
    with pytest.raises(QuarantineError, match="want TOPIC/PARTITION/OFFSET"):
        coordinates_of(text)


def test_what_rows_of_files_are_is_said_of_one_topic() -> None:
    with pytest.raises(QuarantineError, match="name their topic too"):
        Request(Selection(reason="bad_time"), {}, 0, of_files="events")
