"""What a producer mixes in: so much of each as it says, the same per seed, and nothing is lost by it."""

from __future__ import annotations

import json
import random
from bisect import bisect, insort
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.mixing import AGAIN_PLACES, DISORDERED_PLACES, LATE_PLACES, Mixed, Shares, Tally, mixed
from streaming.pacing import by_time, happened, tail
from streaming.poison import faults
from streaming.produce import ProduceError, Record

MAX_BYTES = 5_000
ALL = Shares(duplicates=0.1, disorder=0.1, late=0.05, poison=0.02)


def source(count: int) -> list[Record]:
    topics = ("events", "events", "posts")
    return [Record(topics[nth % 3], b"k%d" % (nth % 7), b"%d" % nth) for nth in range(count)]


def sent_of(records: list[Record], shares: Shares, seed: int = 7) -> list[Mixed]:
    return list(mixed(records, shares, MAX_BYTES, random.Random(seed)))


def tally_of(sent: list[Mixed]) -> Tally:
    tally = Tally()
    assert list(tally.counted(sent)) == [each.record for each in sent]
    return tally


def test_without_shares_the_records_are_the_sources() -> None:
    records = source(100)
    assert [(each.record, each.what) for each in sent_of(records, Shares())] == [(one, "in order") for one in records]


def test_the_same_seed_gives_the_same_records_and_another_does_not() -> None:
    records = source(3_000)
    assert sent_of(records, ALL) == sent_of(records, ALL)
    assert sent_of(records, ALL) != sent_of(records, ALL, seed=8)


@given(
    st.integers(0, 300),
    st.builds(Shares, *[st.floats(0, 0.5)] * 4),
    st.integers(0, 99),
)
def test_the_report_counts_exactly_what_was_sent_and_nothing_is_lost(count: int, shares: Shares, seed: int) -> None:
    records = source(count)
    sent = sent_of(records, shares, seed)
    tally = tally_of(sent)
    assert len(sent) == tally.records + tally.duplicates + sum(tally.poison.values())
    valid = Counter(each.record.value for each in sent if each.what != "poison")
    assert valid.keys() == {record.value for record in records}
    assert tally.records == count
    assert tally.duplicates == valid.total() - count <= count
    assert max(valid.values(), default=1) <= 2


def test_shares_are_about_what_was_asked_for() -> None:
    tally = tally_of(sent_of(source(40_000), ALL))
    found = (tally.duplicates, tally.disordered, tally.late, sum(tally.poison.values()))
    for count, share in zip(found, (0.1, 0.1, 0.05, 0.02), strict=True):
        assert count == pytest.approx(40_000 * share, rel=0.15)
    assert tally_of(sent_of(source(500), Shares(1, 0, 0, 1))).duplicates == 500


def test_each_is_displaced_as_it_says() -> None:
    records = source(30_000)
    sent = sent_of(records, replace(ALL, duplicates=0.0, poison=0.0))
    overtaken: dict[str, list[int]] = {"in order": [], "disordered": [], "late": []}
    before: list[int] = []
    for each in sent:
        place = int(each.record.value)
        overtaken[each.what].append(len(before) - bisect(before, place))
        insort(before, place)
    assert set(overtaken["in order"]) == {0}
    assert 1 <= min(overtaken["disordered"]) <= max(overtaken["disordered"]) <= DISORDERED_PLACES
    assert len(set(overtaken["disordered"])) > 5
    assert max(overtaken["late"]) <= LATE_PLACES[1]
    assert sorted(overtaken["late"])[len(overtaken["late"]) // 2] > LATE_PLACES[0]


def test_a_duplicate_comes_after_the_first_and_not_much_later() -> None:
    sent = sent_of(source(5_000), Shares(duplicates=0.3, late=0.2))
    first: dict[bytes, int] = {}
    for at, each in enumerate(sent):
        if each.what == "duplicate":
            assert at > first[each.record.value]
            assert at - first[each.record.value] < 3 * AGAIN_PLACES
        else:
            assert first.setdefault(each.record.value, at) == at


def test_what_nothing_has_overtaken_is_in_order() -> None:
    assert [each.what for each in sent_of(source(1), Shares(late=1.0))] == ["in order"]
    held = sent_of(source(50), Shares(late=1.0))
    newest = -1
    for each in held:
        place = int(each.record.value)
        assert (each.what == "late") == (place < newest)
        newest = max(newest, place)


def test_poison_is_of_every_kind_and_goes_where_its_neighbour_goes() -> None:
    records = source(3_000)
    sent = sent_of(records, Shares(poison=0.5))
    spoilt = [(near, each) for near, each in pairwise(sent) if each.what == "poison"]
    assert all((each.record.topic, each.record.key) == (near.record.topic, near.record.key) for near, each in spoilt)
    for topic in ("events", "posts"):
        reasons = {each.reason for _, each in spoilt if each.record.topic == topic}
        assert reasons == {fault.reason for fault in faults(topic, MAX_BYTES)}
    assert all(each.record.moment is None for _, each in spoilt)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"duplicates": -0.1}, r"duplicates: want a share from 0 to 1, such as 0.05, have -0.1"),
        ({"poison": 1.5}, r"poison: want a share from 0 to 1, .* have 1.5"),
        ({"late": float("nan")}, r"late: want a share"),
        ({"disorder": 0.6, "late": 0.5}, r"disorder and late: want at most 1 together, have 1.1"),
    ],
)
def test_what_is_no_share_is_named(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ProduceError, match=message):
        Shares(**wrong)


def at(time: object, name: str = "e") -> Record:
    return Record("events", None, json.dumps({"event_id": name, "event_time": time}).encode())


def test_times_are_read_in_both_forms_and_what_has_none_has_none() -> None:
    assert happened(at("1970-01-02T00:00:00Z")) == happened(at(86_400_000)) == happened(at("86400000"))
    for value in (b"", b"\xff", b"[]", b"{}", b'{"event_time": "soon"}', b'{"event_time": "2016-01-01T00:00:00"}'):
        assert happened(Record("events", None, value)) is None


def test_records_are_put_in_the_order_of_their_times_and_the_timeless_stay_where_they_were() -> None:
    records = [at(3000), at("nonsense"), at(1000), at(2000, "a"), at(2000, "b")]
    ordered = by_time(records)
    assert [(json.loads(record.value)["event_time"], record.moment) for record in ordered] == [
        (1000, 1_000_000), (2000, 2_000_000), (2000, 2_000_000), (3000, 3_000_000), ("nonsense", None),
    ]  # fmt: skip
    assert [json.loads(record.value)["event_id"] for record in ordered[1:3]] == ["a", "b"]


def test_the_tail_is_the_newest_share() -> None:
    records = [at(time) for time in (5, 1, 4, 2, 3)]
    assert [json.loads(record.value)["event_time"] for record in tail(records, 0.4)] == [4, 5]
    assert len(tail(records, 1)) == 5
    assert tail([], 0.5) == []
    for wrong in (0, -1, 1.01):
        with pytest.raises(ProduceError, match="tail: want a share above 0"):
            tail(records, wrong)
