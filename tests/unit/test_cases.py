"""The backtest's cases on viewers, customers and titles whose right answers are known by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from batch.judgement.cases import (
    INCUMBENT,
    POST,
    Case,
    Contest,
    churn_cases,
    minus_log_loss,
    ndcg,
    post_cases,
    recall,
    title_cases,
    user_cases,
)
from batch.judgement.replay import Replay, events_of
from batch.recommenders.baselines import RecommendBaselines
from lambda_arch.clock import DAY, HOUR
from lambda_arch.models import Models, SegmentModel
from lambda_arch.posts import FEELINGS
from lambda_arch.recommend_model import FoldIn, RecommendModel
from lambda_arch.schemas import ArrowFunction
from lambda_arch.scoring import sigmoid
from lambda_arch.tiles import MILLION

REPLAY = Replay(known_share=0.6, targets=10, history_limit=2000)
TITLES = [f"t{number:03}" for number in range(120)]
LAYERS = ("batch", "speed")
# Popular are the last titles, and no title has a neighbour.
BACKWARDS = RecommendBaselines(
    titles=TITLES, popular=np.arange(len(TITLES))[::-1], begins=np.array([]), recent=np.arange(len(TITLES))[None, ::-1],
    neighbours=np.zeros((len(TITLES), 1), dtype=np.int32), similarities=np.zeros((len(TITLES), 1)),
)  # fmt: skip
BASELINES = {"recommend": "popular", "segment": "largest", "sentiment": "overall_share", "churn": "base_rate"}


def models(small: Models) -> Models:
    """Everybody is recommended the first titles not seen, in order; popular are the last; segments by titles seen."""
    recommend = RecommendModel(
        name="als", version=2, titles=TITLES, factors=np.linspace(2, 1, len(TITLES), dtype=np.float32)[:, None],
        fold_in=FoldIn(0.1, 2.0), popular=list(reversed(range(len(TITLES)))),
    )  # fmt: skip
    # log(1 + titles): up to 15 titles are nearest to 7, from 16 on to 31.
    segment = SegmentModel(
        name="kmeans", version=2, features=["titles"], mean=np.zeros(1), scale=np.ones(1),
        centres=np.array([[math.log(8)], [math.log(32)]]), numbers=[0, 1], names=["few", "many"],
        sizes=[9, 3], popular=[[], []],
    )  # fmt: skip
    return msgspec.structs.replace(small, recommend=recommend, segment=segment)


def viewer(titles: Sequence[str]) -> pa.RecordBatch:
    """A viewer who saw the titles in this order, an hour apart."""
    events = [
        {
            "event_time": 400 * DAY + place * HOUR, "id_hash": place, "topic": "events", "partition": 0,
            "offset": place, "event_id": f"e{place}", "event_type": "view", "user_id": "u", "title_id": title,
            "watched": MILLION, "rated": None, "strength": MILLION, "attributes": None,
        }
        for place, title in enumerate(titles)
    ]  # fmt: skip
    return pa.RecordBatch.from_pylist([{"user_id": "u", "events": events}])


def cases(function: ArrowFunction, *batches: pa.RecordBatch) -> list[Case]:
    rows = [row for batch in function(iter(batches)) for row in batch.to_pylist()]
    return [Case(**{**row, "answers": dict(row["answers"]), "facts": dict(row["facts"])}) for row in rows]


def of_viewer(small: Models, titles: Sequence[str], replay: Replay = REPLAY) -> list[Case]:
    own = models(small)
    return cases(user_cases(Contest(own), BACKWARDS, replay), viewer(titles))


def values(found: Sequence[Case], use_case: str, layer: str) -> dict[str, list[float]]:
    """A layer's values by bucket, in order of lag."""
    by_bucket: dict[str, list[float]] = {}
    for case in found:
        if case.use_case == use_case:
            by_bucket.setdefault(case.bucket, []).append(case.answers[layer])
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
        for layer in (*LAYERS, BASELINES[use_case]):
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
    found = of_viewer(small_models, TITLES[:20], REPLAY._replace(targets=2))
    assert values(found, "recommend", "batch")["1"] == [pytest.approx(gain([1, 2], 2))]


def test_the_baseline_is_the_popular_titles_that_were_not_seen(small_models: Models) -> None:
    """The most popular are the last titles: a viewer of those who comes to the tenth from the end finds it first."""
    backwards = list(reversed(TITLES))
    assert values(of_viewer(small_models, backwards[:20]), "recommend", "popular")["0"] == [pytest.approx(1.0)]
    assert values(of_viewer(small_models, TITLES[:20]), "recommend", "popular")["0"] == [0.0]


def test_a_segment_is_right_where_it_is_that_of_the_whole_history(small_models: Models) -> None:
    """Twenty-five titles make `many`; fifteen known still look like `few`, sixteen no longer."""
    found = of_viewer(small_models, TITLES[:25])
    assert values(found, "segment", "batch") == {"0": [0.0], "1": [0.0], "2-4": [0.0]}
    assert values(found, "segment", "speed") == {"0": [0.0], "1": [1.0], "2-4": [1.0]}
    assert values(found, "segment", "largest") == {"0": [0.0], "1": [0.0], "2-4": [0.0]}


@pytest.mark.parametrize("events", [10, 25, 80])
def test_both_layers_say_the_same_of_a_viewer_with_nothing_unseen(small_models: Models, events: int) -> None:
    titles = [TITLES[(place * 37) % 90] for place in range(events)]
    found = of_viewer(small_models, titles)
    for use_case in ("recommend", "segment"):
        assert values(found, use_case, "batch")["0"] == values(found, use_case, "speed")["0"]


def test_without_models_there_are_no_cases(small_models: Models) -> None:
    none = msgspec.structs.replace(small_models, recommend=None, segment=None, churn=None, sentiment=None)
    for contest in (Contest(none), Contest(none, small_models)):
        assert cases(user_cases(contest, None, REPLAY), viewer(TITLES[:20])) == []
        assert cases(churn_cases(contest, REPLAY), customers([(3, True)])) == []
        assert cases(title_cases(contest, REPLAY), title(["good"] * 5)) == []
        assert cases(post_cases(contest), labelled([("a", "good", "positive")])) == []


def customers(tenures: Sequence[tuple[int, bool]]) -> pa.RecordBatch:
    """Labelled customers as Spark hands them on, each with a single event: the account."""
    return pa.RecordBatch.from_pylist([
        {"user_id": f"c{place}", "since": DAY, "churned": churned, "events": [account(0, tenure)]}
        for place, (tenure, churned) in enumerate(tenures)
    ])  # fmt: skip


def account(place: int, tenure: int | None) -> dict[str, Any]:
    """An account event, or a support contact where there is no tenure."""
    attributes = None if tenure is None else [{"key": "tenure", "value": str(tenure)}]
    return {
        "event_time": DAY + place, "id_hash": place, "topic": "events", "partition": 0, "offset": place,
        "event_id": f"e{place}", "event_type": "support" if tenure is None else "account", "user_id": "c",
        "title_id": None, "watched": None, "rated": None, "strength": None, "attributes": attributes,
    }  # fmt: skip


def test_a_customer_is_judged_at_every_lag_that_its_events_allow_and_batch_lacks_the_last_of_them(
    small_models: Models,
) -> None:
    """Forty support contacts, but the account of tenure 3 is the eighth and that of tenure 9 the last but one."""
    events = [account(place, {7: 3, 38: 9}.get(place)) for place in range(40)]
    row = {"user_id": "c", "since": 40 * DAY, "churned": True, "events": events}
    found = cases(churn_cases(Contest(small_models), REPLAY), pa.RecordBatch.from_pylist([row]))
    nine, three = (math.log(sigmoid(0.5 - 0.1 * tenure)) for tenure in (9, 3))
    approx = {"0": nine, "1": nine, "2-4": three, "5-19": three, "20+": three}
    assert values(found, "churn", "batch") == {at: [pytest.approx(value)] for at, value in approx.items()}
    assert values(found, "churn", "speed") == {at: [pytest.approx(nine)] for at in approx}


def test_what_decides_after_the_account_s_state_is_what_batch_has_missed(small_models: Models) -> None:
    """A model of support contacts alone: with ten of them unseen batch knows thirty of forty."""
    assert small_models.churn is not None
    of_support = msgspec.structs.replace(small_models.churn, features=["count:support"])
    models = msgspec.structs.replace(small_models, churn=of_support)
    events = [account(0, 3), *(account(place, None) for place in range(1, 41))]
    row = {"user_id": "c", "since": 40 * DAY, "churned": True, "events": events}
    found = cases(churn_cases(Contest(models), REPLAY), pa.RecordBatch.from_pylist([row]))
    told = [math.log(sigmoid(0.5 - 0.1 * math.log1p(40 - lag))) for lag in (0, 1, 3, 10, 30)]
    assert [case.answers["batch"] for case in found] == pytest.approx(told)
    assert [case.answers["speed"] for case in found] == pytest.approx([told[0]] * 5)


@pytest.mark.parametrize(("tenure", "churned"), [(0, True), (0, False), (40, True), (40, False)])
def test_a_customer_whom_the_night_has_not_seen_has_the_base_rate_there_and_the_model_in_the_speed_layer(
    small_models: Models, tenure: int, churned: bool
) -> None:
    found = cases(churn_cases(Contest(small_models), REPLAY), customers([(tenure, churned)]))
    told = sigmoid(0.5 - 0.1 * tenure)
    model, base = (math.log(p if churned else 1 - p) for p in (told, 0.27))
    assert values(found, "churn", "batch") == {"0": [pytest.approx(model)], "1": [pytest.approx(base)]}
    assert values(found, "churn", "speed") == {"0": [pytest.approx(model)], "1": [pytest.approx(model)]}
    assert values(found, "churn", "base_rate") == {"0": [pytest.approx(base)], "1": [pytest.approx(base)]}


def test_every_customer_of_every_batch_is_measured(small_models: Models) -> None:
    found = cases(
        churn_cases(Contest(small_models), REPLAY), customers([(1, True), (2, False)]), customers([(3, True)])
    )
    assert [(case.entity, case.bucket) for case in found] == [(f"c{n}", at) for n in (0, 1, 0) for at in ("0", "1")]


def title(texts: Sequence[str]) -> pa.RecordBatch:
    """A title's posts in order, an hour apart."""
    posts = [{"event_time": place * HOUR, "post_id": f"p{place}", "text": text} for place, text in enumerate(texts)]
    return pa.RecordBatch.from_pylist([{"title_id": "a", "posts": posts}])


def test_a_title_is_judged_by_the_share_that_all_its_posts_have(small_models: Models) -> None:
    """Six good posts, then four bad ones: in full 0.6, known 1.0, and with 1 or 3 more 6/7 and 6/9."""
    found = cases(title_cases(Contest(small_models), REPLAY), title(["good"] * 6 + ["bad"] * 4))
    assert values(found, "sentiment", "batch") == {name: [pytest.approx(0.6)] for name in ("0", "1", "2-4")}
    assert values(found, "sentiment", "speed") == {
        "0": [pytest.approx(0.6)],
        "1": [pytest.approx(1 - (6 / 7 - 0.6))],
        "2-4": [pytest.approx(1 - (6 / 9 - 0.6))],
    }
    assert values(found, "sentiment", "overall_share") == {name: [pytest.approx(1.0)] for name in ("0", "1", "2-4")}


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
    found = cases(title_cases(Contest(small_models), REPLAY), title((["good", "bad"] * posts)[:posts]))
    said = (*LAYERS, "overall_share")
    assert {layer: list(values(found, "sentiment", layer)) for layer in said} == dict.fromkeys(said, buckets)
    assert values(found, "sentiment", "batch")["0"] == values(found, "sentiment", "speed")["0"]


def test_a_title_of_which_nothing_was_known_counts_as_undecided(small_models: Models) -> None:
    found = cases(title_cases(Contest(small_models), REPLAY._replace(known_share=0.1)), title(["good"] * 5))
    assert values(found, "sentiment", "batch")["0"] == [0.5]
    assert values(found, "sentiment", "speed")["1"] == [1.0]


def labelled(posts: Sequence[tuple[str, str, str]]) -> pa.RecordBatch:
    """Posts of titles, with what people felt."""
    return pa.RecordBatch.from_pylist([{"title_id": name, "text": text, "feeling": felt} for name, text, felt in posts])


def test_a_labelled_post_is_told_right_or_not(small_models: Models) -> None:
    found = cases(post_cases(Contest(small_models)), labelled([("a", "good", "positive"), ("b", "good", "negative")]))
    assert [(case.entity, case.bucket) for case in found] == [("a", POST), ("b", POST)]
    right = {"batch": 1.0, "majority": 1.0, "vader": 1.0}
    assert [case.answers for case in found] == [right, dict.fromkeys(right, 0.0)]
    positive, negative = (float(FEELINGS.index(name)) for name in ("positive", "negative"))
    assert [case.facts for case in found] == [
        {"told": positive, "felt": positive},
        {"told": positive, "felt": negative},
    ]


def test_the_incumbent_answers_the_very_same_cases_and_baselines_answer_once(small_models: Models) -> None:
    """An incumbent that prefers the last titles, has one segment and knows no word is right and wrong elsewhere."""
    own = models(small_models)
    assert own.recommend and own.segment and own.sentiment and own.churn
    replaced = msgspec.structs.replace
    other = replaced(
        own,
        recommend=replaced(own.recommend, factors=own.recommend.factors[::-1]),
        segment=replaced(own.segment, centres=own.segment.centres[:1]),
        churn=replaced(own.churn, coefficients=np.array([0.0])),
        sentiment=replaced(own.sentiment, vocabulary=[], weights=np.zeros((0, 2)), prior=np.array([1.0, 0.0])),
    )  # fmt: skip
    contest, baselines = Contest(own, other), BACKWARDS
    rows: list[tuple[ArrowFunction, ArrowFunction, pa.RecordBatch]] = [
        (user_cases(Contest(own), baselines, REPLAY), user_cases(contest, baselines, REPLAY), viewer(TITLES[:80])),
        (churn_cases(Contest(own), REPLAY), churn_cases(contest, REPLAY), customers([(3, True), (40, False)])),
        (title_cases(Contest(own), REPLAY), title_cases(contest, REPLAY), title(["good"] * 6 + ["bad"] * 4)),
        (
            post_cases(Contest(own)),
            post_cases(contest),
            labelled([("a", "good", "positive"), ("b", "bad", "negative")]),
        ),
    ]
    for alone, together, batch in rows:
        both = cases(together, batch)
        own_part = [case._replace(answers=_not_incumbent(case.answers)) for case in both]
        assert own_part == cases(alone, batch)
        assert all(any(name.startswith(INCUMBENT) for name in case.answers) for case in both)
        assert any(case.answers[f"{INCUMBENT}batch"] != case.answers["batch"] for case in both)


def _not_incumbent(answers: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in answers.items() if not name.startswith(INCUMBENT)}


def test_profiles_that_grow_by_merging_are_those_built_at_once(small_models: Models) -> None:
    titles = [TITLES[(place * 37) % 90] for place in range(80)]
    [row] = viewer(titles).to_pylist()
    events = events_of(row["events"])
    replay, genres = REPLAY._replace(history_limit=20), small_models.genres
    seen = list(replay.viewers(events, genres))
    assert [found.lag for found in seen] == [0, 1, 3, 10, 30]
    for found in seen:
        assert found.batch == replay.profile(events[:48], genres)
        assert found.speed == replay.profile(events[: 48 + found.lag], genres)
        assert found.full == replay.profile(events, genres)


def test_recall_is_the_share_of_what_came_that_was_listed() -> None:
    assert recall(["a", "b", "c"], ["c", "d"]) == 0.5
    assert recall(["a"] * 10 + ["c"], ["c"]) == 0.0
    assert recall([], []) == 0.0


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
