"""The arbiter's policies in the configuration: what is left out is the default, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambda_arch.config import Config, ConfigError, load_config
from lambda_arch.records import USE_CASES


def configured(folder: Path, text: str) -> Config:
    file = folder / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config({}, file)


def test_every_use_case_has_the_measured_rule_by_default() -> None:
    policies = load_config({}).serving.policies
    assert {policies.of(use_case).rule for use_case in USE_CASES} == {"fidelity"}


def test_what_a_file_leaves_out_is_the_default(tmp_path: Path) -> None:
    policies = configured(
        tmp_path, "serving: {policies: {churn: {rule: speed_first, batch_hours: 1}}}"
    ).serving.policies
    assert (policies.churn.rule, policies.churn.batch_hours) == ("speed_first", 1.0)
    assert policies.churn.speed_hours == load_config({}).serving.policies.churn.speed_hours
    assert policies.recommend == load_config({}).serving.policies.recommend


WRONG = {
    "an unknown rule": ("{policies: {churn: {rule: oldest}}}", r"serving\.policies\.churn\.rule: .*'fidelity'"),
    "an unknown use case": ("{policies: {ads: {rule: newest}}}", r"unknown setting serving\.policies\.ads"),
    "an unknown key": ("{policies: {churn: {hours: 3}}}", r"unknown setting serving\.policies\.churn\.hours"),
    "a margin below zero": ("{policies: {churn: {margin_errors: -1}}}", r"policies\.churn\.margin_errors: .*-1"),
    "hours without an end": ("{policies: {churn: {speed_hours: .inf}}}", r"policies\.churn\.speed_hours: .*finite"),
    "limits, where they were": ("{limits: {churn: {batch_hours: 3}}}", "limits, which is now serving.policies"),
    "the margin, where it was": ("{margin_errors: 2}", r"now serving\.policies\.USE_CASE\.margin_errors"),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        configured(tmp_path, f"serving: {text}")
