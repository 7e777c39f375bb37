"""The record both layers write: its order, its encoding, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_arch.clock import DAY, HOUR, MINUTE, parse_rfc3339, rfc3339
from lambda_arch.models import Models
from lambda_arch.posts import Felt, PostProfile, PostTile, merge_post_profiles, post_profile, unit_post_tile
from lambda_arch.predictions import Scoring, predict_title, predict_user
from lambda_arch.records import USE_CASES, Layer, Prediction, UnknownSchemaError, decode, encode, order
from lambda_arch.tiles import MILLION, Account, Profile, Seen, Tile
from serving.arbiter import Candidates, Rejection
from serving.stored import candidates

GOLDEN = Path(__file__).parents[1] / "golden" / "prediction.json"
GOLDEN_SENTIMENT = GOLDEN.with_name("sentiment.json")
CHURN = Prediction(
    use_case="churn", entity="u:42", value={"probability": 0.31, "at_risk": False, "cutoff": 0.5}, layer="speed",
    model="logistic", model_version=6, as_of="2016-01-02T03:04:05.000006Z", evidence=17, generation=7,
    written_at="2016-01-02T03:04:05.123456Z",
)  # fmt: skip

HORIZON = parse_rfc3339("2016-01-02T00:00:00Z")  # of small_models
POSTS = PostProfile(PostTile(4, 3, 0, 1, 2), {0: Felt(4, 3)}, {0: Felt(4, 3)}, {0: Felt(4, 3)})

made = st.builds(
    Prediction,
    use_case=st.just("churn"), entity=st.just("u:1"), value=st.just({}), layer=st.just("speed"), model=st.just("m"),
    model_version=st.integers(0, 2), as_of=st.integers(0, 3).map(rfc3339), evidence=st.integers(0, 3),
    generation=st.integers(0, 3), written_at=st.just(rfc3339(0)),
)  # fmt: skip


def test_encoding_is_the_public_contract() -> None:
    assert json.loads(encode(CHURN)) == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_stored_example_still_reads() -> None:
    assert decode(GOLDEN.read_bytes()) == CHURN


def test_a_title_s_record_is_the_public_contract(small_models: Models) -> None:
    """Ten days of posts, three a day, more and more of them positive; then an hour of thirty."""
    ages = [*(day * DAY + hour * HOUR for day in range(1, 11) for hour in (1, 2, 3)), *range(0, HOUR, 2 * MINUTE)]
    tiles = [
        unit_post_tile(HORIZON + DAY - 1 - age, age < 6 * DAY or age % (2 * DAY) < DAY, 0.75) for age in ages
    ]  # fmt: skip
    scoring = Scoring(small_models, "speed", HORIZON, written_at=HORIZON + DAY, top_n=2)
    [said] = predict_title("a", merge_post_profiles(map(post_profile, tiles)), scoring)
    assert json.loads(encode(said)) == json.loads(GOLDEN_SENTIMENT.read_text(encoding="utf-8"))


@given(made)
def test_decoding_gives_what_was_encoded(record: Prediction) -> None:
    assert decode(encode(record)) == record


@pytest.mark.parametrize(
    ("smaller", "greater"),
    [
        pytest.param({"generation": 6, "evidence": 99}, {}, id="a newer generation beats more evidence"),
        pytest.param({"evidence": 9, "as_of": rfc3339(2**50)}, {}, id="more evidence beats newer events"),
        pytest.param({}, {"evidence": 100}, id="evidence is compared as a number, not as text"),
        pytest.param({"as_of": "2016-01-02T03:04:05.000005Z", "model_version": 9}, {}, id="newer by a microsecond"),
        pytest.param({"model_version": 5}, {}, id="the model's version comes last"),
    ],
)
def test_order(smaller: dict[str, object], greater: dict[str, object]) -> None:
    assert order(msgspec.structs.replace(CHURN, **smaller)) < order(msgspec.structs.replace(CHURN, **greater))


@given(st.integers(0, 2**52), st.integers(0, 2**52))
def test_text_order_of_times_is_time_order(one: int, other: int) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


@pytest.mark.parametrize("stored", [b'{"schema": 2}', b'{"schema": 0, "entity": "u:42"}'], ids=["newer", "older"])
def test_another_schema_is_refused_whatever_its_fields(stored: bytes) -> None:
    with pytest.raises(UnknownSchemaError, match="upgrade"):
        decode(stored)


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(encode(CHURN)), **changes}).encode()


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        pytest.param(changed(schema=2), "unknown_schema", id="another release's"),
        pytest.param(b"not json", "unreadable", id="not JSON"),
        pytest.param(b"\xff\xfe", "unreadable", id="not text"),
        pytest.param(b"null", "unreadable", id="null"),
        pytest.param(changed(as_of="yesterday"), "unreadable", id="as_of is no time"),
        pytest.param(changed(as_of="2016-01-02T03:04:05"), "unreadable", id="as_of has no zone"),
        pytest.param(changed(entity="u:43"), "unreadable", id="of somebody else"),
        pytest.param(changed(layer="batch"), "unreadable", id="of the other layer"),
        pytest.param(changed(value={"probability": 1.5, "at_risk": True, "cutoff": 0.5}), "unreadable", id="1.5"),
        pytest.param(changed(value={}), "unreadable", id="an empty value"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_its_reason(stored: bytes, reason: str) -> None:
    assert candidates((None, stored), "churn", "u:42") == (Candidates(), [Rejection("speed", reason)])  # type: ignore[arg-type]


def test_what_can_be_used_takes_part() -> None:
    assert candidates((None, encode(CHURN)), "churn", "u:42") == (Candidates(None, CHURN), [])


def test_a_value_may_carry_more_than_this_release_knows() -> None:
    stored = changed(value={**CHURN.value, "reasons": ["contract"]})
    found, rejected = candidates((None, stored), "churn", "u:42")
    assert found.speed is not None
    assert (found.speed.value["reasons"], rejected) == (["contract"], [])


@pytest.mark.parametrize("layer", ["batch", "speed"])
def test_what_the_layers_write_is_what_serving_reads(small_models: Models, layer: Layer) -> None:
    scoring = Scoring(small_models, layer, now=2, written_at=3, top_n=2)
    account = Account(1, 1, {"tenure": "12"})
    tile = Tile({"view": 1, "account": 1}, first=1, last=2, account=account, history=(Seen(2, 2, "a", MILLION),))
    written = predict_user("42", Profile(tile), scoring) + predict_title("a", POSTS, scoring)
    assert [record.use_case for record in written] == list(USE_CASES)
    for record in written:
        pair = (encode(record), None) if layer == "batch" else (None, encode(record))
        found, rejected = candidates(pair, record.use_case, record.entity)
        assert (getattr(found, layer), rejected) == (record, [])
