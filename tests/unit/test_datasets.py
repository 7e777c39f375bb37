"""The demo's data: names that are the same film, the horizon, the waves, chance, poison."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from demo import customers, films, reviews, viewers
from demo.chance import chance, smallest
from demo.poison import poison
from demo.tail import Line, id_of, wave
from lambda_arch.clock import DAY, parse_rfc3339, rfc3339

HORIZON = parse_rfc3339("2015-07-16T00:00:00Z")


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Deer Hunter, The", "the deer hunter"),
        ("the_deer_hunter", "the deer hunter"),
        ("backyard_the", "the backyard"),
        ("City of Lost Children, The (Cité des enfants perdus, La)", "the city of lost children"),
        ("Adam Sandler's Eight Crazy Nights", "adam sandlers eight crazy nights"),
        ("M*A*S*H", "mash"),
        ("A", "a"),
        ("", ""),
    ],
)
def test_a_name_is_normalised(name: str, same: str) -> None:
    assert films.normalised(name) == same


def test_a_slug_is_the_one_title_of_that_name_and_else_its_own() -> None:
    names = {"1": "Chateau, The", "2": "Solaris", "3": "Solaris"}
    found = films.titles_of_slugs(["the_chateau", "solaris", "unheard_of"], names)
    assert found == {"the_chateau": "1", "solaris": "rt-solaris", "unheard_of": "rt-unheard_of"}


@pytest.mark.parametrize(
    ("moment", "midnight"),
    [
        ("2015-07-15T23:44:42Z", "2015-07-16T00:00:00.000000Z"),
        ("2015-07-16T00:00:00Z", "2015-07-16T00:00:00.000000Z"),
        ("2015-07-16T00:00:00.000001Z", "2015-07-17T00:00:00.000000Z"),
    ],
)
def test_the_horizon_is_a_midnight_at_or_after_the_cut(moment: str, midnight: str) -> None:
    assert rfc3339(viewers.midnight_at_or_after(parse_rfc3339(moment))) == midnight


def ratings() -> pd.DataFrame:
    """Forty ratings, one every six hours, by four viewers in turn."""
    start = parse_rfc3339("2015-07-01T00:00:00Z") // 1_000_000
    rows = [(n % 4, n, 4.0, start + n * 6 * 3600) for n in reversed(range(40))]
    return pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])


def test_ratings_are_cut_at_the_horizon() -> None:
    split = viewers.split(ratings())
    assert split.horizon == parse_rfc3339("2015-07-10T00:00:00Z")
    assert (len(split.before), len(split.after)) == (36, 4)
    assert split.before["timestamp"].max() * 1_000_000 < split.horizon <= split.after["timestamp"].min() * 1_000_000


def test_a_viewers_first_half_and_at_least_one_rating_is_of_the_first_wave() -> None:
    rows = [(1, n, 3.0, 1000 - n) for n in range(5)] + [(2, 9, 3.0, 500)]
    first, second = viewers.waves(pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"]))
    assert [(event["user_id"], event["title_id"]) for event in first] == [("1", "4"), ("1", "3"), ("2", "9")]
    assert viewers.watched(second) == {"1": ["2", "1", "0"]}


@pytest.mark.parametrize("number", range(50))
def test_times_of_customers_and_posts_lie_on_their_side_of_the_horizon(number: int) -> None:
    name = f"c-{number}"
    known, held_back = (customers.account_time(name, held, HORIZON) for held in (False, True))
    assert HORIZON - 60 * DAY <= known < HORIZON - 59 * DAY
    assert HORIZON <= held_back < HORIZON + 2 * DAY
    assert known + DAY <= customers.cancel_time(name, known) < min(HORIZON, known + 30 * DAY)
    assert HORIZON - 365 * DAY <= reviews.post_time(name, False, HORIZON) < HORIZON
    assert HORIZON <= reviews.post_time(name, True, HORIZON) < HORIZON + 30 * DAY


def test_an_account_is_an_event_with_its_attributes_as_text() -> None:
    published = pd.DataFrame(
        {"rownames": [7], "churn": ["Yes"], "partner": [1], "monthly_charges": [29.85], "total_charges": [float("nan")]}
    )
    [account] = customers.account_events(customers.timed(published, HORIZON))
    assert account["user_id"] == "c-7"
    assert account["properties"] == {"partner": "1", "monthly_charges": "29.85", "total_charges": "0"}
    [cancel] = customers.cancel_events(customers.timed(published, HORIZON))
    assert cancel["event_time"] > account["event_time"]


def events(count: int) -> list[dict[str, Any]]:
    return [{"event_id": f"e{n}", "user_id": "u", "event_time": rfc3339(HORIZON + n * DAY)} for n in range(count)]


def test_a_wave_has_every_event_some_twice_and_is_nearly_in_order() -> None:
    lines = wave(list(reversed(events(1000))), [])
    ids = [id_of(line) for line in lines]
    firsts = list(dict.fromkeys(ids))
    assert sorted(firsts) == sorted(f"e{n}" for n in range(1000))
    assert 10 < len(ids) - len(firsts) < 60
    places = [int(name[1:]) for name in firsts]
    assert max(abs(place - at) for at, place in enumerate(places)) == 1
    assert 20 < sum(place != at for at, place in enumerate(places)) / 2 < 90


def test_posts_are_keyed_by_their_title() -> None:
    post = {"post_id": "rt-1", "title_id": "31", "event_time": rfc3339(HORIZON)}
    lines: list[Line] = wave([], [post])
    assert lines[0] == {"topic": "posts", "key": "31", "value": post}


def test_chance_is_even_and_the_same_everywhere() -> None:
    assert chance("purpose", "key") == pytest.approx(0.2, abs=1.0)
    assert sum(chance("even", n) for n in range(2000)) / 2000 == pytest.approx(0.5, abs=0.03)
    assert smallest("some", ["a", "b", "c", "d"], 2) == [
        key for key in "abcd" if key in smallest("some", list("dcba"), 2)
    ]


def test_poison_is_of_many_kinds_for_both_topics() -> None:
    records = poison(1000)
    assert len(records) >= 24
    assert len({record.reason for record in records}) >= 8
    assert {record.topic for record in records} == {"events", "posts"}
    assert all(json.dumps(record.line()) for record in records)
