"""The backtest's cases on viewers, customers and titles whose right answers are known by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from batch.cases import Case, churn_cases, minus_log_loss, ndcg, title_cases, user_cases
from lambda_arch.clock import DAY, HOUR
from lambda_arch.config import load_config
from lambda_arch.models import FoldIn, Models, RecommendModel, SegmentModel
from lambda_arch.schemas import ArrowFunction
from lambda_arch.scoring import sigmoid
from lambda_arch.tiles import MILLION

SETTINGS = load_config({}).batch.backtest.model_copy(update={"known_share": 0.6, "targets": 10})
LIMIT = 2000
TITLES = [f"t{number:03}" for number in range(120)]
LAYERS = ("batch", "speed", "baseline")


def models(small: Models) -> Models:
    """Everybody is recommended the first titles not seen, in order; popular are the last; segments by titles seen."""
    recommend = RecommendModel(
        name="als", version=2, titles=TITLES, factors=np.linspace(2, 1, len(TITLES), dtype=np.float32)[:, None],
        fold_in=FoldIn(0.1, 2.0), popular=list(reversed(range(len(TITLES)))),
    )  # fmt: skip
    # log(1 + titles): up to 15 titles are nearest to 7, from 16 on to 31.
    segment = SegmentModel(
        name="kmeans", version=2, features=["titles"], mean=np.zeros(1), scale=np.ones(1),
        centres=np.array([[math.log(8)], [math.log(32)]]), names=["few", "many"], sizes=[9, 3], popular=[[], []],
    )  # fmt: skip
    return msgspec.structs.replace(small, recommend=recommend, segment=segment)


def viewer(titles: Sequence[str]) -> pa.RecordBatch:
    """A viewer who saw the titles in this order, an hour apart."""
    events = [
        {
            "event_time": 400 * DAY + place * HOUR, "id_hash": place, "topic": "events", "partition": 0,
            "offset": place, "event_id": f"e{place}", "event_type": "view", "user_id": "u", "title_id": title,
            "watched": MILLION, "rated": None, "strength": MILLION,
        }
        for place, title in enumerate(titles)
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist([{"user_id": "u", "events": events}])


def cases(function: ArrowFunction, *batches: pa.RecordBatch) -> list[Case]:
    return [Case(**row) for batch in function(iter(batches)) for row in batch.to_pylist()]


def of_viewer(small: Models, titles: Sequence[str]) -> list[Case]:
    return cases(user_cases(models(small), SETTINGS, LIMIT), viewer(titles))


def values(found: Sequence[Case], use_case: str, layer: str) -> dict[str, list[float]]:
    """A layer's values by bucket, in order of lag."""
    by_bucket: dict[str, list[float]] = {}
    for case in found:
        if (case.use_case, case.layer) == (use_case, layer):
            by_bucket.setdefault(case.bucket, []).append(case.value)
    return by_bucket


def gain(places: Sequence[int], relevant: int) -> float:
    ideal = sum(1 / math.log2(place + 2) for place in range(min(10, relevant)))
    return sum(1 / math.log2(place + 2) for place in places) / ideal


@pytest.mark.parametrize(
    ("events", "buckets"),
    [
        (10, ["0", "1", "2-4"]),
        (25, ["0", "1", "2-4"]),
        (26, ["0", "1", "2-4", "5-19"]),
        (75, ["0", "1", "2-4", "5-19"]),
        (80, ["0", "1", "2-4", "5-19", "20+"]),
    ],
    ids=[
        "four unseen end before lag 10", "ten unseen leave no target at lag 10", "eleven unseen leave one",
        "thirty unseen leave no target at lag 30", "thirty-two unseen leave two",
    ],
)  # fmt: skip
def test_a_lag_is_measured_where_an_event_is_left_to_come(
    small_models: Models, events: int, buckets: list[str]
) -> None:
    found = of_viewer(small_models, TITLES[:events])
    for use_case in ("recommend", "segment"):
        for layer in LAYERS:
            assert list(values(found, use_case, layer)) == buckets
            assert all(len(measured) == 1 for measured in values(found, use_case, layer).values())


def test_the_speed_layer_knows_all_events_up_to_its_lag_and_none_after(small_models: Models) -> None:
    """Whoever knows the first k titles is recommended the k-th to the (k+9)-th: right only for exactly k events."""
    found = of_viewer(small_models, TITLES[:80])
    assert values(found, "recommend", "speed") == {
        name: [pytest.approx(1.0)] for name in ("0", "1", "2-4", "5-19", "20+")
    }


def test_the_batch_layer_knows_the_known_share_at_every_lag(small_models: Models) -> None:
    """It lists the 48th title onwards; what comes begins one, three, ten or thirty titles later."""
    found = of_viewer(small_models, TITLES[:80])
    assert values(found, "recommend", "batch") == {
        "0": [pytest.approx(1.0)],
        "1": [pytest.approx(gain(range(1, 10), 10))],
        "2-4": [pytest.approx(gain(range(3, 10), 10))],
        "5-19": [0.0],
        "20+": [0.0],
    }


def test_a_title_that_the_speed_layer_has_seen_is_never_a_target(small_models: Models) -> None:
    """Six titles, then two of them again and a new one; both layers list the new one first."""
    found = of_viewer(small_models, [*TITLES[:6], TITLES[0], TITLES[1], TITLES[6], TITLES[6]])
    assert values(found, "recommend", "speed") == {"0": [1.0], "1": [1.0]}
    assert values(found, "recommend", "batch") == {"0": [1.0], "1": [1.0]}


def test_who_only_sees_again_what_was_seen_gives_no_case_of_recommend(small_models: Models) -> None:
    found = of_viewer(small_models, [*TITLES[:6], *TITLES[:4]])
    assert {case.use_case for case in found} == {"segment"}


def test_targets_are_at_most_as_many_as_configured(small_models: Models) -> None:
    settings = SETTINGS.model_copy(update={"targets": 2})
    found = cases(user_cases(models(small_models), settings, LIMIT), viewer(TITLES[:20]))
    assert values(found, "recommend", "batch")["1"] == [pytest.approx(gain([1, 2], 2))]


def test_the_baseline_is_the_popular_titles_that_were_not_seen(small_models: Models) -> None:
    """The most popular are the last titles: a viewer of those who comes to the tenth from the end finds it first."""
    backwards = list(reversed(TITLES))
    assert values(of_viewer(small_models, backwards[:20]), "recommend", "baseline")["0"] == [pytest.approx(1.0)]
    assert values(of_viewer(small_models, TITLES[:20]), "recommend", "baseline")["0"] == [0.0]


def test_a_segment_is_right_where_it_is_that_of_the_whole_history(small_models: Models) -> None:
    """Twenty-five titles make `many`; fifteen known still look like `few`, sixteen no longer."""
    found = of_viewer(small_models, TITLES[:25])
    assert values(found, "segment", "batch") == {"0": [0.0], "1": [0.0], "2-4": [0.0]}
    assert values(found, "segment", "speed") == {"0": [0.0], "1": [1.0], "2-4": [1.0]}
    assert values(found, "segment", "baseline") == {"0": [0.0], "1": [0.0], "2-4": [0.0]}


@pytest.mark.parametrize("events", [10, 25, 80])
def test_both_layers_say_the_same_of_a_viewer_with_nothing_unseen(small_models: Models, events: int) -> None:
    titles = [TITLES[(place * 37) % 90] for place in range(events)]
    found = of_viewer(small_models, titles)
    for use_case in ("recommend", "segment"):
        assert values(found, use_case, "batch")["0"] == values(found, use_case, "speed")["0"]


def test_without_models_there_are_no_cases(small_models: Models) -> None:
    none = msgspec.structs.replace(small_models, recommend=None, segment=None, churn=None, sentiment=None)
    assert cases(user_cases(none, SETTINGS, LIMIT), viewer(TITLES[:20])) == []
    assert cases(churn_cases(none), customers([(3, True)])) == []
    assert cases(title_cases(none, 0.6), title(["good"] * 5)) == []


def customers(tenures: Sequence[tuple[int, bool]]) -> pa.RecordBatch:
    """Labelled accounts as Spark hands them on."""
    rows = [
        {
            "user_id": f"c{place}",
            "lifetime": {
                "counts": [("account", 1)], "watched": 0, "rated": 0, "genres": [], "first": DAY, "last": DAY,
                "account": {"time": DAY, "event": 7, "attributes": [("tenure", str(tenure))]}, "history": [],
            },
            "days": [], "churned": churned,
        }
        for place, (tenure, churned) in enumerate(tenures)
    ]  # fmt: skip
    amounts, long = pa.map_(pa.string(), pa.int64()), pa.int64()
    seen = pa.struct([("time", long), ("event", long), ("title", pa.string()), ("strength", long)])
    account = pa.struct([("time", long), ("event", long), ("attributes", pa.map_(pa.string(), pa.string()))])
    tile = pa.struct([
        ("counts", amounts), ("watched", long), ("rated", long), ("genres", amounts), ("first", long), ("last", long),
        ("account", account), ("history", pa.list_(seen)),
    ])  # fmt: skip
    days = pa.list_(pa.struct([("day", long), ("tile", tile)]))
    schema: Any = [("user_id", pa.string()), ("lifetime", tile), ("days", days), ("churned", pa.bool_())]
    return pa.RecordBatch.from_pylist(rows, pa.schema(schema))


@pytest.mark.parametrize(("tenure", "churned"), [(0, True), (0, False), (40, True), (40, False)])
def test_a_customer_whom_the_night_has_not_seen_has_the_base_rate_there_and_the_model_in_the_speed_layer(
    small_models: Models, tenure: int, churned: bool
) -> None:
    found = cases(churn_cases(small_models), customers([(tenure, churned)]))
    told = sigmoid(0.5 - 0.1 * tenure)
    model, base = (math.log(p if churned else 1 - p) for p in (told, 0.27))
    assert values(found, "churn", "batch") == {"0": [pytest.approx(model)], "1": [pytest.approx(base)]}
    assert values(found, "churn", "speed") == {"0": [pytest.approx(model)], "1": [pytest.approx(model)]}
    assert values(found, "churn", "baseline") == {"0": [pytest.approx(base)], "1": [pytest.approx(base)]}


def test_every_customer_of_every_batch_is_measured(small_models: Models) -> None:
    found = cases(churn_cases(small_models), customers([(1, True), (2, False)]), customers([(3, True)]))
    assert len(found) == 3 * 2 * 3


def title(texts: Sequence[str]) -> pa.RecordBatch:
    """A title's posts in order, an hour apart."""
    posts = [{"event_time": place * HOUR, "post_id": f"p{place}", "text": text} for place, text in enumerate(texts)]
    return pa.RecordBatch.from_pylist([{"title_id": "a", "posts": posts}])


def test_a_title_is_judged_by_the_share_that_all_its_posts_have(small_models: Models) -> None:
    """Six good posts, then four bad ones: in full 0.6, known 1.0, and with 1 or 3 more 6/7 and 6/9."""
    found = cases(title_cases(small_models, 0.6), title(["good"] * 6 + ["bad"] * 4))
    assert values(found, "sentiment", "batch") == {name: [pytest.approx(0.6)] for name in ("0", "1", "2-4")}
    assert values(found, "sentiment", "speed") == {
        "0": [pytest.approx(0.6)],
        "1": [pytest.approx(1 - (6 / 7 - 0.6))],
        "2-4": [pytest.approx(1 - (6 / 9 - 0.6))],
    }
    assert values(found, "sentiment", "baseline") == {name: [pytest.approx(1.0)] for name in ("0", "1", "2-4")}


@pytest.mark.parametrize(
    ("posts", "buckets"),
    [
        (4, ["0", "1"]),
        (25, ["0", "1", "2-4"]),
        (26, ["0", "1", "2-4", "5-19"]),
        (75, ["0", "1", "2-4", "5-19"]),
        (76, ["0", "1", "2-4", "5-19", "20+"]),
    ],
)
def test_a_title_s_lags_leave_a_post_to_come(small_models: Models, posts: int, buckets: list[str]) -> None:
    found = cases(title_cases(small_models, 0.6), title((["good", "bad"] * posts)[:posts]))
    assert {layer: list(values(found, "sentiment", layer)) for layer in LAYERS} == dict.fromkeys(LAYERS, buckets)
    assert values(found, "sentiment", "batch")["0"] == values(found, "sentiment", "speed")["0"]


def test_a_title_of_which_nothing_was_known_counts_as_undecided(small_models: Models) -> None:
    found = cases(title_cases(small_models, 0.1), title(["good"] * 5))
    assert values(found, "sentiment", "batch")["0"] == [0.5]
    assert values(found, "sentiment", "speed")["1"] == [1.0]


@pytest.mark.parametrize(
    ("listed", "relevant", "value"),
    [
        ("abc", "a", 1.0),
        ("bac", "a", 1 / math.log2(3)),
        ("abc", "ac", (1 + 1 / 2) / (1 + 1 / math.log2(3))),
        ("xyzxyzxyzxa", "a", 0.0),
        ("", "a", 0.0),
        ("abc", "", 0.0),
    ],
    ids=["first", "second", "first and third", "beyond the cut", "nothing listed", "nothing relevant"],
)
def test_ndcg_by_hand(listed: str, relevant: str, value: float) -> None:
    assert ndcg(list(listed), list(relevant)) == pytest.approx(value)


def test_log_loss_of_a_certainty_that_was_wrong_is_bounded() -> None:
    assert minus_log_loss(1.0, True) == 0.0
    assert minus_log_loss(1.0, False) == minus_log_loss(0.0, True) == pytest.approx(math.log(1e-6))
