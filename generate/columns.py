"""Numbers -> the columns of the contract, in Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from generate.opinions import WORDS, Opinions
from generate.plan import Ints, Plan
from generate.rows import Events
from generate.titles import GENRES, Titles, title_names
from generate.users import CONTRACTS, COUNTRIES, DEVICES, PAYMENTS, Users
from lambda_arch.tiles import EVENT_TYPES

YES_NO = ("senior_citizen", "partner", "paperless_billing", "tech_support")
SOURCES = ("app", "forum", "social")
BRANDS = 12


@dataclass(frozen=True)
class Names:
    """The texts that events point to: ids by index, and properties by place."""

    seed: int
    users: Any
    titles: Any
    properties: Any


def made_names(plan: Plan, users: Users) -> Names:
    """The texts of a plan's events: places, all accounts, then all accounts after their change."""
    places = [{"country": country, "device": device} for device in DEVICES for country in COUNTRIES]
    kind = pa.map_(pa.string(), pa.string())
    pool = pa.concat_arrays(
        [pa.array([list(p.items()) for p in places], kind), _accounts(users, 0), _accounts(users, 1)]
    )
    return Names(plan.seed, _ids("u-", np.arange(plan.users)), _ids("t-", np.arange(plan.titles)), pool)


def event_table(names: Names, events: Events) -> Any:
    """The contract's fields, and when each record arrived; times in epoch milliseconds."""
    title = pa.array(events.title, mask=events.title < 0)
    return pa.table({
        "event_id": _ids(f"e{names.seed}-", events.number),
        "event_type": pa.array(EVENT_TYPES).take(pa.array(events.kind)),
        "user_id": names.users.take(pa.array(events.user)),
        "title_id": names.titles.take(title),
        "event_time": pa.array(events.time),
        "value": pa.array(events.value, mask=np.isnan(events.value)),
        "properties": names.properties.take(pa.array(events.place)),
        "arrival_time": pa.array(events.arrival),
    })  # fmt: skip


def post_table(names: Names, posts: Opinions) -> Any:
    """The contract's fields; times in epoch milliseconds."""
    vocabulary = pa.array(WORDS)
    words = [vocabulary.take(pa.array(column)) for column in posts.words.T]
    return pa.table({
        "post_id": _ids(f"p{names.seed}-", posts.number),
        "text": pc.binary_join_element_wise(*words, " "),
        "event_time": pa.array(posts.time),
        "title_id": names.titles.take(pa.array(posts.title)),
        "author_id": names.users.take(pa.array(posts.author)),
        "source": pa.array(SOURCES).take(pa.array(posts.author % len(SOURCES))),
        "language": pa.array(["en"]).take(pa.array(np.zeros(len(posts.number), dtype=np.int64))),
    })  # fmt: skip


def label_table(names: Names, posts: Opinions) -> Any:
    """What each post truly feels."""
    feeling = pc.if_else(pa.array(posts.positive), "positive", "negative")
    return pa.table({"post_id": _ids(f"p{names.seed}-", posts.number), "feeling": feeling})


def title_table(plan: Plan, names: Names, titles: Titles) -> Any:
    """The catalogue."""
    _, genre = np.nonzero(titles.genres)
    edges = np.concatenate([[0], np.cumsum(titles.genres.sum(axis=1))])
    brands = pa.array([f"Studio {n}" for n in range(1, BRANDS + 1)])
    return pa.table({
        "title_id": names.titles,
        "name": pa.array(title_names(plan)),
        "year": pa.array(titles.year, pa.int32()),
        "genres": pa.ListArray.from_arrays(pa.array(edges, pa.int32()), pa.array(GENRES).take(pa.array(genre))),
        "brand": brands.take(pa.array(np.arange(plan.titles) % BRANDS)),
    })  # fmt: skip


def _accounts(users: Users, changed: int) -> Any:
    """The accounts' attributes before (0) or after (1) their change, as one map a user."""
    tenure, charges = users.tenure + changed * (users.change_day // 30), users.charges[:, changed]
    yes_no = pa.array(["No", "Yes"])
    columns = {
        "contract": pa.array(CONTRACTS).take(pa.array(users.contract[:, changed])),
        "monthly_charges": pa.array(charges).cast(pa.string()),
        "total_charges": pa.array(np.round(charges * tenure, 2)).cast(pa.string()),
        "tenure": pa.array(tenure).cast(pa.string()),
        "payment_method": pa.array(PAYMENTS).take(pa.array(users.payment)),
        **{name: yes_no.take(pa.array(users.yes_no[:, at])) for at, name in enumerate(YES_NO)},
    }
    count, width = len(tenure), len(columns)
    by_user = np.arange(width * count).reshape(width, count).T.ravel()
    keys = pa.array(list(columns)).take(pa.array(np.tile(np.arange(width), count)))
    values = pa.concat_arrays(list(columns.values())).take(pa.array(by_user))
    return pa.MapArray.from_arrays(pa.array(np.arange(count + 1) * width, pa.int32()), keys, values)


def _ids(prefix: str, numbers: Ints) -> Any:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")
