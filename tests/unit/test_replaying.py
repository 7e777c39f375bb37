"""A logged decision is enough to decide again, whatever the store had; another answer is told by its fields."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_arch.clock import HOUR, rfc3339
from lambda_arch.config import load_config
from lambda_arch.fidelity import Blend, FidelityTable, Measure
from lambda_arch.keys import Generations
from lambda_arch.models import Models
from lambda_arch.reads import AsyncStore
from lambda_arch.records import USE_CASES, Prediction, UnknownSchemaError, UseCase, encode
from serving.answers import Answers, View
from serving.current import Loaded
from serving.entries import Entry, decode_entry, encode_entry, entry_of, noted
from serving.replaying import Difference, Replay

CONFIG = load_config({})
HORIZON = 1_451_692_800_000_000  # of small_models
NOW = HORIZON + 5 * HOUR
ANSWERS = Answers(AsyncStore(CONFIG.store.url), CONFIG)  # never connected
VALUES: dict[UseCase, dict[str, Any]] = {
    "recommend": {"titles": ["b", "zz"], "scores": [0.9, 0.5], "next": {"after": "c", "titles": ["b"]}},
    "segment": {"segment": 0, "name": "casual", "distance": 0.5},
    "churn": {"probability": 0.31, "at_risk": False, "cutoff": 0.4},
    "sentiment": {"positive": 0.75, "low": 0.3, "high": 0.95, "posts": 4},
}
measures = st.builds(Measure, st.floats(-5, 5), st.floats(0, 1), st.just(9))
by_bucket = st.dictionaries(st.sampled_from(("0", "1", "2-4", "5-19", "20+")), measures)


def table(use_case: UseCase, batch: dict[str, Measure], speed: dict[str, Measure], gain: dict[str, Measure]) -> Any:
    layers, blends = {"batch": batch, "speed": speed, "popular": batch}, {at: Blend(0.25, gain[at]) for at in gain}
    return FidelityTable(2, {use_case: layers}, {use_case: gain}, blends={use_case: blends})


@st.composite
def stored(draw: st.DrawFn, use_case: UseCase, layer: str) -> bytes | None:
    record = Prediction(
        use_case=use_case, entity="u:42", value=VALUES[use_case], layer=layer, model="m",  # type: ignore[arg-type]
        model_version=2, as_of=rfc3339(draw(st.integers(HORIZON - 900 * HOUR, NOW))),
        evidence=draw(st.integers(0, 40)), generation=draw(st.integers(0, 3)), written_at=rfc3339(NOW),
    )  # fmt: skip
    return draw(st.none() | st.binary(max_size=20) | st.just(encode(record)))


@st.composite
def views(draw: st.DrawFn, use_case: UseCase) -> View:
    pairs = {name: (draw(stored(name, "batch")), draw(stored(name, "speed"))) for name in {use_case, "segment"}}
    fidelity = draw(st.none() | st.builds(table, st.just(use_case), by_bucket, by_bucket, by_bucket))
    return View(
        entity="u:42", generations=Generations(2, HORIZON, 1, HORIZON - 24 * HOUR), now=NOW, stored=pairs,
        loaded=Loaded(None, fidelity),
    )  # fmt: skip


def logged(view: View, use_case: UseCase) -> Entry:
    """The entry of the view's answer, as the topic gives it back."""
    policy = ANSWERS.policy(use_case, "u:42").model_copy(update={"blend": use_case != "segment"})
    note = noted(view, ANSWERS.answer_of(view, use_case, policy), policy, ANSWERS.top_n, shown=None, arms={})
    return decode_entry(encode_entry(entry_of(note)))


@given(st.data(), st.sampled_from(USE_CASES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_every_logged_answer_comes_out_again(small_models: Models, data: st.DataObject, use_case: UseCase) -> None:
    view = data.draw(views(use_case))
    view = msgspec.structs.replace(view, loaded=Loaded(small_models, view.loaded.fidelity))
    entry = logged(view, use_case)
    assert Replay(CONFIG, {2: small_models}.get).replayed(entry).verdict == "same"
    gone = Replay(CONFIG, lambda _: None).replayed(entry).verdict
    assert gone == ("in part" if entry.answer.layer == "fallback" else "same")


def test_before_the_first_generation_the_answer_comes_out_again() -> None:
    view = View(entity="u:1", generations=Generations(), now=NOW, stored={"churn": (None, None)}, loaded=Loaded())
    assert Replay(CONFIG, lambda _: None).replayed(logged(view, "churn")).verdict == "same"


def plain() -> Entry:
    """Batch's churn answer, which alone is there."""
    record = Prediction(
        use_case="churn", entity="u:42", value=VALUES["churn"], layer="batch", model="m", model_version=2,
        as_of=rfc3339(HORIZON - HOUR), evidence=3, generation=2, written_at=rfc3339(NOW),
    )  # fmt: skip
    generations = Generations(2, HORIZON, 1, HORIZON - 24 * HOUR)
    pair = {"churn": (encode(record), None)}
    return logged(View(entity="u:42", generations=generations, now=NOW, stored=pair, loaded=Loaded()), "churn")


def test_an_answer_that_its_records_do_not_give_is_told_by_its_fields() -> None:
    entry = plain()
    answer = msgspec.structs.replace(entry.answer, value={**VALUES["churn"], "probability": 0.9}, evidence=4)
    found = Replay(CONFIG, lambda _: None).replayed(msgspec.structs.replace(entry, answer=answer))
    assert found.verdict == "different"
    assert found.differences == [Difference("evidence", 4, 3), Difference("value.probability", 0.9, 0.31)]


@pytest.mark.parametrize(
    "changes",
    [{"now": NOW + 1000 * HOUR}, {"policy": {**plain().policy, "batch_hours": 0}}, {"generations": Generations()}],
    ids=["another time", "another policy", "another pointer"],
)
def test_everything_that_the_decision_used_is_in_the_entry(changes: dict[str, Any]) -> None:
    changed = msgspec.structs.replace(plain(), **changes)
    assert Replay(CONFIG, lambda _: None).replayed(changed).verdict == "different"


def test_an_entry_of_another_release_is_refused() -> None:
    other = {**json.loads(encode_entry(plain())), "schema": 99}
    with pytest.raises(UnknownSchemaError, match="schema 99"):
        decode_entry(json.dumps(other).encode())
