"""Features by name: products, patterns, and names that do not exist."""

from __future__ import annotations

import math

import pytest

from lambda_arch.config import ConfigError, load_config
from lambda_arch.tiles import Account, Profile, Tile
from lambda_arch.vectors import pattern_part, vectorizer

WHO = Profile(Tile({"view": 3}, account=Account(0, 0, {"tenure": "8", "plan": "A|B"})))


def test_a_product_is_of_two_features_and_the_second_may_have_a_bar_in_its_value() -> None:
    names = ["product:number:tenure|number:tenure", "product:log:tenure|is:plan=A|B", "product:log:tenure|is:plan=A"]
    assert vectorizer(names)(WHO, 0).tolist() == [64.0, math.log(9), 0.0]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("is:plan=*", "is:plan=*"), ("genre:*", "genre:*"), ("product:log:tenure|is:plan=*", "is:plan=*"),
        ("is:plan=A", None), ("genre:Drama", None), ("product:log:tenure|number:tenure", None), ("titles", None),
    ],
)  # fmt: skip
def test_what_of_a_name_stands_for_several(name: str, part: str | None) -> None:
    assert pattern_part(name) == part


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tenure", "unknown feature 'tenure'"),
        ("count:viewed", "unknown event type 'viewed'"),
        ("recent:x:view", "want recent:DAYS:TYPE"),
        ("recent:31:view", "1 to 30 days"),
        ("mean:length", "want mean:rating or mean:watched"),
        ("is:plan", "want is:NAME=VALUE"),
        ("number:", "names nothing"),
        ("product:log:tenure", "unknown feature ''"),
    ],
)
def test_a_feature_that_does_not_exist_is_refused_as_the_configuration_is_read(name: str, said: str) -> None:
    for use_case in ("CHURN", "SEGMENT"):
        with pytest.raises(ConfigError) as refused:
            load_config({f"LAMBDA_ARCH__BATCH__{use_case}__FEATURES": f"['{name}']"})
        assert said in str(refused.value)
        assert f"batch.{use_case.lower()}.features" in str(refused.value)


def test_a_use_case_without_features_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"batch.churn.features"):
        load_config({"LAMBDA_ARCH__BATCH__CHURN__FEATURES": "[]"})
