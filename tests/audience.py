"""A small planted audience: viewers of two tastes, customers who cancel by contract, posts that mean what they say."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from pyspark.sql import functions as F

from lambda_arch.clock import DAY, HOUR, parse_rfc3339, rfc3339
from lambda_arch.lake import Lake
from lambda_arch.schemas import LABEL, RAW, TITLE
from lambda_arch.tables import BRONZE, LABELS, TITLES

HORIZON = parse_rfc3339("2016-03-01T00:00:00Z")
LATER = HORIZON + 3 * DAY
EARLY = HORIZON - 100 * DAY  # a single user has been there
GENRES = ("Drama", "Comedy")
TITLES_SEEN = [f"t{number:02}" for number in range(40)]
VIEWERS = [f"u{number:02}" for number in range(60)]
PREMIERE, NEWCOMER = "premiere", "newcomer"
WORDS = {
    True: ("wonderful", "moving", "brilliant", "a joy", "superb"),
    False: ("dreadful", "boring", "clumsy", "a waste", "awful"),
}
Record = dict[str, Any]
# A few dozen cases prove nothing with certainty, and there are days without an event.
OPEN_GATE = {
    "BATCH__GATE__MAX_SILENCE_HOURS": "96",
    "BATCH__GATE__RECOMMEND": "{baselines: {popular: any, recently_popular: any, item_item: any}, min_cases: 0}",
    "BATCH__GATE__SEGMENT": "{baselines: {largest: any}, min_cases: 0}",
    "BATCH__GATE__CHURN": "{baselines: {base_rate: any}, min_cases: 0}",
    "BATCH__GATE__SENTIMENT": "{baselines: {majority: any, vader: any}, min_cases: 0}",
}


class Audience(NamedTuple):
    """Records by topic in order of arrival, and what people labelled."""

    events: list[Record]
    posts: list[Record]
    labels: dict[str, bool]


def genre(title: str) -> str:
    """A planted title's genre."""
    return GENRES[int(title[1:]) % 2]


def taste(viewer: str) -> str:
    """The genre of most of what a planted viewer sees."""
    return GENRES[int(viewer[1:]) % 2]


def audience() -> Audience:
    """What arrives before the first night; some of it lies at and after HORIZON, where PREMIERE is first seen."""
    rng = random.Random(20160301)
    pioneer = event("pioneer", "view", "pioneer", EARLY - 1, "t00", 1.0)
    events = [pioneer, *_seen(rng), *_customers(rng), *_around_the_horizon()]
    posts, labels = _posts(rng)
    return Audience(events, posts, labels)


def latecomers() -> list[Record]:
    """What arrives between the nights: a rating from before HORIZON, a day of a new viewer, one event after LATER."""
    return [
        event("late", "rating", "u01", HORIZON - DAY, "t03", 4.5),
        *[event(f"new-{n}", "view", "u99", HORIZON + n * HOUR, f"t{n:02}", 0.9) for n in range(1, 6)],
        event("much-later", "view", "u02", LATER, "sequel", 1.0),
    ]


def talk() -> list[Record]:
    """Posts that arrive between the nights: a dozen about a title in its last hours before LATER, which has few."""
    return [
        {"post_id": f"talk-{n}", "text": "superb", "title_id": "t00", "event_time": rfc3339(LATER - (n + 1) * HOUR)}
        for n in range(12)
    ]


def event(
    event_id: str, event_type: str, user: str, time: int, title: str | None = None, value: float | None = None,
    properties: dict[str, str] | None = None,
) -> Record:  # fmt: skip
    """An event of the contract, without what is null."""
    record = {
        "event_id": event_id, "event_type": event_type, "user_id": user, "event_time": rfc3339(time),
        "title_id": title, "value": value, "properties": properties,
    }  # fmt: skip
    return {name: value for name, value in record.items() if value is not None}


def archive(lake: Lake, topic: str, records: list[Record], first_offset: int = 0) -> None:
    """Records into bronze, as the archive writes them."""
    rows = [(topic, 0, first_offset + n, None, json.dumps(record).encode()) for n, record in enumerate(records)]
    frame = lake.spark.createDataFrame(rows, "topic string, partition int, offset long, key binary, value binary")
    received = F.timestamp_micros(F.lit(LATER + DAY))
    lake.append(frame.withColumn("timestamp", received).select(*RAW.names).coalesce(1), BRONZE)


def settle_reference(lake: Lake, labels: dict[str, bool]) -> None:
    """The catalogue and the labels into silver."""
    titles = [(title, f"Film {title}", 2000, [genre(title)], [], None, None) for title in TITLES_SEEN]
    lake.insert_new(lake.spark.createDataFrame(titles, TITLE), TITLES, "title_id")
    feelings = [(post, "positive" if positive else "negative") for post, positive in labels.items()]
    lake.insert_new(lake.spark.createDataFrame(feelings, LABEL), LABELS, "post_id")


def _seen(rng: random.Random) -> list[Record]:
    """Four hundred: two in five viewers saw twelve titles, the others three; five in six of their taste."""
    found = []
    for number, viewer in enumerate(VIEWERS):
        own = [title for title in TITLES_SEEN if genre(title) == taste(viewer)]
        other = [title for title in TITLES_SEEN if genre(title) != taste(viewer)]
        titles = rng.sample(own, 10) + rng.sample(other, 2) if number % 5 < 2 else rng.sample(own, 3)
        rng.shuffle(titles)
        for place, title in enumerate(titles):
            kind, value = rng.choice((("rating", 4.0), ("rating", 5.0), ("view", 0.9), ("list_add", None)))
            time = HORIZON - (30 - place) * DAY + rng.randrange(DAY)
            found.append(event(f"{viewer}-{place}", kind, viewer, time, title, value))
        found += [event(f"{viewer}-s{n}", "search", viewer, HORIZON - (n + 1) * DAY) for n in range(number % 4)]
    return found


def _customers(rng: random.Random) -> list[Record]:
    """Eighty accounts: nearly all of those by the month cancel and few others; four are too new to say."""
    found = []
    for number in range(80):
        monthly, customer = number % 3 == 0, f"c{number:02}"
        since = HORIZON - (10 if number >= 76 else 60) * DAY + rng.randrange(DAY)
        properties = {
            "contract": "month" if monthly else "year",
            "tenure": str(rng.randrange(1, 12) if monthly else rng.randrange(6, 60)),
            "monthly_charges": str(rng.randrange(20, 100)),
        }
        found.append(event(f"{customer}-a", "account", customer, since, properties=properties))
        if rng.random() < (0.95 if monthly else 0.05):
            found.append(event(f"{customer}-c", "cancel", customer, since + rng.randrange(1, 40) * DAY))
    return [record for record in found if record["event_time"] < rfc3339(HORIZON)]


def _around_the_horizon() -> list[Record]:
    """The last moment that is known, and three that are not: nobody has seen PREMIERE before."""
    return [
        event("last", "view", "u00", HORIZON - 1, "t01", 1.0),
        event("leak-1", "view", "u00", HORIZON, PREMIERE, 1.0),
        event("leak-2", "rating", "u03", HORIZON + 1, PREMIERE, 5.0),
        event("leak-3", "view", NEWCOMER, HORIZON + HOUR, PREMIERE, 1.0),
    ]


def _posts(rng: random.Random) -> tuple[list[Record], dict[str, bool]]:
    """Sixty, five of each of twelve titles, all but a fifth labelled; and one at the horizon, about PREMIERE."""
    posts, labels = [], {}
    for number in range(60):
        positive, title = rng.random() < 0.6, TITLES_SEEN[number % 12]
        text = f"{' and '.join(rng.sample(WORDS[positive], 2))}, that film"
        time = HORIZON - 20 * DAY + number * 7 * HOUR
        posts.append({"post_id": f"p{number}", "text": text, "title_id": title, "event_time": rfc3339(time)})
        if number % 5:
            labels[f"p{number}"] = positive
    posts.append({"post_id": "leak", "text": "superb", "title_id": PREMIERE, "event_time": rfc3339(HORIZON)})
    return posts, {**labels, "leak": True}
